#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0
#
# plot.pl [--table] DATA.csv: draws what measure.c printed as SVG, on standard output:
# resident memory of a guest that bursts and idles, of three in turns, and the figures
# of a burst. With --table these figures as rows of a table in Markdown instead.
use strict;
use warnings;

my @ways = qw(none memctl reporting inflation);
my %title = (
    none      => 'nothing',
    memctl    => 'memctl, free page reporting',
    reporting => 'balloon, free page reporting',
    inflation => 'balloon, inflation',
);
my ($width, $left, $top, $panel_height) = (960, 70, 46, 230);

my $table = @ARGV && $ARGV[0] eq '--table' && shift;
my (%samples, %bursts, %stall);
while (<>) {
    chomp;
    my ($kind, $way, @fields) = split /,/;
    push @{ $samples{$way}{ $fields[0] } }, [ $fields[1], $fields[2] / 1024 ] if $kind eq 'sample';
    push @{ $bursts{$way} }, \@fields if $kind eq 'burst';
    $stall{$way} = $fields[0] / 1000 if $kind eq 'stall';
}

sub median {
    my @sorted = sort { $a <=> $b } @_;
    return $sorted[ $#sorted / 2 ];
}

# The bursts of a way, one field.
sub values_of {
    my ($way, $field) = @_;
    return map { $_->[$field] } @{ $bursts{$way} };
}

if ($table) {
    for my $way (grep { $bursts{$_} } @ways) {
        my @figures = map { join ', ', values_of($way, $_) } 0 .. 4;
        my $back = join ', ', map { $_ < 0 ? 'not' : sprintf '%.1f', $_ / 1000 } values_of($way, 5);
        my $freed = join ', ', map { sprintf '%.0f', $_ / 1024 } values_of($way, 7);
        printf "| %s | %s | %.0f |\n", $title{$way}, join(' | ', @figures, $back, $freed), $stall{$way} // 0;
    }
    exit;
}

sub text {
    my ($x, $y, $text, $class) = @_;
    printf "<text class=\"%s\" x=\"%.1f\" y=\"%.1f\">%s</text>\n", $class // '', $x, $y, $text;
}

# A round number of at least this, and how many steps lead to it.
sub scale_of {
    my ($value) = @_;
    my $unit = 10**int(log($value || 1) / log(10));
    for my $factor (1, 2, 2.5, 5, 10) {
        return $unit * $factor if $unit * $factor >= $value;
    }
    return $unit * 10;
}

sub axes {
    my ($x, $y, $w, $h, $max, $unit) = @_;
    for my $step (0 .. 4) {
        my $at = $y + $h - $h * $step / 4;
        printf "<line class=\"grid\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n", $x, $at, $x + $w, $at;
        text($x - 6, $at + 4, $max * $step / 4 . ($step == 4 ? " $unit" : ''), 'end');
    }
}

sub legend {
    my ($y) = @_;
    my $x = $left;
    for my $index (0 .. $#ways) {
        printf "<rect class=\"f%d\" x=\"%.1f\" y=\"%.1f\" width=\"10\" height=\"10\"/>\n", $index, $x, $y - 9;
        text($x + 14, $y, $title{ $ways[$index] });
        $x += 30 + 6.6 * length $title{ $ways[$index] };
    }
}

# Resident memory over time, a line for each way.
sub curves {
    my ($y, $guests, $heading) = @_;
    my ($x, $w, $h) = ($left, $width - $left - 20, $panel_height - 60);
    my ($most, $last) = (0, 0);
    for my $point (map { @{ $samples{$_}{$guests} // [] } } @ways) {
        $last = $point->[0] if $point->[0] > $last;
        $most = $point->[1] if $point->[1] > $most;
    }
    return unless $last;
    my $max = scale_of($most);
    text($x, $y - 10, $heading, 'title');
    axes($x, $y, $w, $h, $max, 'MiB');
    for (my $second = 0 ; $second <= $last ; $second += 30) {
        text($x + $w * $second / $last, $y + $h + 16, "$second s", 'middle');
    }
    for my $index (0 .. $#ways) {
        my $points = $samples{ $ways[$index] }{$guests} or next;
        printf "<polyline class=\"line s%d\" points=\"%s\"/>\n", $index,
            join ' ', map { sprintf '%.1f,%.1f', $x + $w * $_->[0] / $last, $y + $h - $h * $_->[1] / $max } @$points;
    }
}

# One count of a burst, a bar for each way that gives memory back.
sub bars {
    my ($x, $y, $w, $field, $heading) = @_;
    my $h       = $panel_height - 60;
    my @shown   = grep { $bursts{$_} && $_ ne 'none' } @ways;
    my %value   = map { my $way = $_; $way => median(values_of($way, $field)) } @shown;
    my ($most)  = sort { $b <=> $a } values %value;
    my $max     = scale_of($most);
    text($x, $y - 10, $heading, 'title');
    for my $position (0 .. $#shown) {
        my $way    = $shown[$position];
        my ($index) = grep { $ways[$_] eq $way } 0 .. $#ways;
        my $height = $value{$way} > 0 ? $h * $value{$way} / $max : 0;
        my $at     = $x + $position * $w / 3;
        printf "<rect class=\"f%d\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>\n", $index, $at,
            $y + $h - $height, $w / 3 - 14, $height;
        text($at + $w / 6 - 7, $y + $h - $height - 4, $value{$way}, 'middle');
    }
    printf "<line class=\"grid\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n", $x, $y + $h, $x + $w, $y + $h;
}

my $height = $top + 3 * $panel_height;
print <<"SVG";
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 $width $height" role="img"
  aria-label="Memory that a guest gives back, and what that costs">
<style>
  text { font: 12px sans-serif; fill: #1f2328; }
  .title { font-weight: bold; } .middle { text-anchor: middle; } .end { text-anchor: end; }
  .back { fill: #ffffff; } .grid { stroke: #d0d7de; } .line { fill: none; stroke-width: 2; }
  .s0 { stroke: #8c959f; } .s1 { stroke: #0969da; } .s2 { stroke: #bc4c00; } .s3 { stroke: #1a7f37; }
  .f0 { fill: #8c959f; } .f1 { fill: #0969da; } .f2 { fill: #bc4c00; } .f3 { fill: #1a7f37; }
  \@media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; } .back { fill: #0d1117; } .grid { stroke: #373e47; }
    .s1 { stroke: #58a6ff; } .s2 { stroke: #f0883e; } .s3 { stroke: #3fb950; }
    .f1 { fill: #58a6ff; } .f2 { fill: #f0883e; } .f3 { fill: #3fb950; }
  }
</style>
<rect class="back" width="$width" height="$height"/>
SVG
legend(20);
curves($top + 20, 1, 'Resident memory of a guest that bursts and idles');
curves($top + 20 + $panel_height, 3, 'Resident memory of three guests that burst in turns');
my @counts = ([ 0, 'exits to the VMM' ], [ 1, "the balloon's interrupts, and as many kicks" ]);
my $share = ($width - $left) / @counts;
for my $position (0 .. $#counts) {
    bars($left + $position * $share, $top + 20 + 2 * $panel_height, $share - 30, $counts[$position][0],
        "A burst goes home: $counts[$position][1]");
}
print "</svg>\n";
