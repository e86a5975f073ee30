#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# Runs tests and counts what they report, from formats that are made to be read by programs:
#
#   results.pl tap SUITE COMMAND...          COMMAND prints TAP. It may print several reports, each between the lines
#                                            "begin NAME" and "end NAME STATUS".
#   results.pl libtest SUITE COMMAND...      COMMAND is cargo test with libtest's JSON lines
#   results.pl trx SUITE FOLDER COMMAND...   COMMAND is dotnet test, whose reports (trx) are in FOLDER afterwards
#   results.pl check SUITE NAME COMMAND...   COMMAND is one test: it passes with status 0
#   results.pl summary                       each failure, each skip with its reason, and the sums
#
# A report that breaks off, that does not keep its plan, or whose program fails without a failed test is a failure.
# Results are appended to the file that MEMCTL_RESULTS names; without one, a summary follows at once. A log of each
# COMMAND is in MEMCTL_LOGS, or goes nowhere.
use strict;
use warnings;
use Fcntl qw(:flock SEEK_END);
use JSON::PP;
use TAP::Parser;

my $json = JSON::PP->new->canonical->utf8;
my ($form, $suite, @command) = @ARGV;
my %forms = (tap => \&run_tap, libtest => \&run_libtest, trx => \&run_trx, check => \&run_check);
my $file = $ENV{MEMCTL_RESULTS} // '';
my @results;

$| = 1;
if (@ARGV == 1 && $form eq 'summary' && $file) {
    exit summary(read_results($file));
}
die "usage: see the head of $0\n" unless @ARGV > 2 && $forms{$form};
$forms{$form}->();
result('failed', 'reports at least one test') unless @results;
my $failed = grep { $_->{result} eq 'failed' } @results;
if ($file) {
    append($file, @results);
    printf "== %s: %s\n", $suite, sums(@results);
    exit($failed ? 1 : 0);
}
exit summary(@results);

sub result {
    my ($result, $name, $reason) = @_;
    push @results, { suite => $suite, result => $result, name => $name, reason => $reason // '' };
}

# Calls $each with every line that the command prints. Returns its exit status, 128 and more for a signal.
sub run {
    my ($each, @words) = @_;
    my $log;
    if ($ENV{MEMCTL_LOGS}) {
        open $log, '>>', "$ENV{MEMCTL_LOGS}/$suite.log" or die "$suite.log: $!\n";
        $log->autoflush(1);
    }
    my $child = open my $output, '-|';
    die "fork: $!\n" unless defined $child;
    if (!$child) {
        open STDERR, '>&', \*STDOUT or die "stderr: $!\n";
        no warnings 'exec';
        exec { $words[0] } @words or do { print "$words[0]: $!\n"; exit 127 };
    }
    while (my $line = <$output>) {
        print $log $line if $log;
        $line =~ s/\r?\n\z//;
        $each->($line);
    }
    close $output;
    return $? & 127 ? 128 + ($? & 127) : $? >> 8;
}

# What is well is in the log only.
sub show {
    my ($line) = @_;
    print "$line\n" unless $line =~ /^ok /;
}

sub run_tap {
    my ($name, @lines, @outside);
    my $reports = 0;
    my $status = run(
        sub {
            my ($line) = @_;
            if ($line =~ /^begin (\S+)$/) {
                result('failed', "$name breaks off") if defined $name;
                ($name, @lines) = ($1);
            } elsif (defined $name && $line =~ /^end \Q$name\E (\d+)$/) {
                judge_tap($name, $1, @lines);
                $reports++;
                undef $name;
            } else {
                show($line);
                push @{ defined $name ? \@lines : \@outside }, $line;
            }
        },
        @command);
    result('failed', "$name breaks off") if defined $name;
    if ($reports == 0 && !defined $name) {
        judge_tap('', $status, @outside);
    } elsif ($status) {
        result('failed', "$suite ends with status $status, not 0");
    }
}

sub judge_tap {
    my ($name, $status, @lines) = @_;
    my $prefix = $name eq '' ? '' : "$name: ";
    my $parser = TAP::Parser->new({ tap => join("\n", @lines, "# end\n") });
    my $count = @results;
    while (my $next = $parser->next) {
        if ($next->is_bailout) {
            result('failed', $prefix . 'bails out: ' . $next->explanation);
        } elsif ($next->is_test) {
            my $description = $prefix . ($next->description =~ s/^- //r);
            if ($next->has_skip) {
                result('skipped', $description, $next->explanation);
            } elsif ($next->has_todo) {
                result('failed', "$description (to be done: " . $next->explanation . ')');
            } else {
                result($next->is_actual_ok ? 'passed' : 'failed', $description);
            }
        }
    }
    if ($parser->skip_all) {
        result('skipped', $prefix . 'all of it', $parser->skip_all);
    } elsif ($parser->parse_errors) {
        result('failed', "${prefix}its report is not sound: " . join('; ', $parser->parse_errors));
    }
    if ($status && !grep { $_->{result} eq 'failed' } @results[$count .. $#results]) {
        result('failed', "${prefix}ends with status $status, and no test failed");
    }
}

# The fields of libtest's JSON lines that are read: type, event, name, reason, test_count, stdout.
sub run_libtest {
    my ($planned, $ended);
    my $status = run(
        sub {
            my ($line) = @_;
            my $event = $line =~ /^\{.*\}$/ ? eval { $json->decode($line) } : undef;
            if (!$event) {
                print "$line\n";
            } elsif ($event->{type} eq 'suite') {
                result('failed', 'a program keeps its plan') if $planned;
                $planned = $event->{event} eq 'started' ? $event->{test_count} : 0;
                $ended = $event->{event} ne 'started';
            } elsif ($event->{type} eq 'test' && $event->{event} =~ /^(?:ok|failed|ignored|timeout)$/) {
                my $how = { ok => 'passed', ignored => 'skipped' }->{ $event->{event} } // 'failed';
                return if $event->{event} eq 'timeout';
                result($how, $event->{name}, $event->{message});
                $planned--;
                print "not ok - $event->{name}\n", $event->{stdout} // '' if $how eq 'failed';
            }
        },
        @command);
    result('failed', 'the last program reports its end') unless $ended;
    if ($status && !grep { $_->{result} eq 'failed' } @results) {
        result('failed', "cargo test ends with status $status, and no test failed");
    }
}

sub run_trx {
    require XML::LibXML;
    my $folder = shift @command;
    unlink glob "'$folder'/*.trx";
    my $status = run(sub { print "$_[0]\n" }, @command);
    for my $report (glob "'$folder'/*.trx") {
        my $document = eval { XML::LibXML->load_xml(location => $report) };
        if (!$document) {
            result('failed', "$report can be read: $@");
            next;
        }
        my $path = XML::LibXML::XPathContext->new($document);
        $path->registerNs(t => 'http://microsoft.com/schemas/VisualStudio/TeamTest/2010');
        my @tests = $path->findnodes('/t:TestRun/t:Results/t:UnitTestResult');
        my $total = $path->findvalue('/t:TestRun/t:ResultSummary/t:Counters/@total');
        result('failed', "a report has the $total results that it counts") unless $total eq @tests;
        for my $test (@tests) {
            my $how = { Passed => 'passed', NotExecuted => 'skipped' }->{ $test->getAttribute('outcome') } // 'failed';
            my $message = $path->findvalue('t:Output/t:ErrorInfo/t:Message', $test)
                || $path->findvalue('t:Output/t:StdOut', $test);
            result($how, $test->getAttribute('testName'), $how eq 'passed' ? '' : $message =~ s/\s+/ /gr);
        }
    }
    if ($status && !grep { $_->{result} eq 'failed' } @results) {
        result('failed', "dotnet test ends with status $status, and no test failed");
    }
}

sub run_check {
    my $name = shift @command;
    my @said;
    my $status = run(sub { push @said, @_ }, @command);
    print map { "$_\n" } @said if $status;
    result($status ? 'failed' : 'passed', $name);
}

# Several suites may run at the same time.
sub append {
    my ($path, @new) = @_;
    open my $out, '>>', $path or die "$path: $!\n";
    flock $out, LOCK_EX or die "$path: $!\n";
    seek $out, 0, SEEK_END;
    print $out map { $json->encode($_) . "\n" } @new;
    close $out or die "$path: $!\n";
}

sub read_results {
    my ($path) = @_;
    open my $in, '<', $path or die "$path: $!\n";
    return map { $json->decode($_) } <$in>;
}

sub sums {
    my %count = (passed => 0, failed => 0, skipped => 0);
    $count{ $_->{result} }++ for @_;
    return "$count{passed} passed, $count{failed} failed, $count{skipped} skipped";
}

sub summary {
    my @all = @_;
    binmode STDOUT, ':utf8';
    for my $how ('failed', 'skipped') {
        my @those = grep { $_->{result} eq $how } @all or next;
        print "$how:\n";
        printf "    %s: %s%s\n", $_->{suite}, $_->{name}, $_->{reason} eq '' ? '' : ": $_->{reason}" for @those;
    }
    my $sums = sums(@all);
    print "$sums\n";
    return $sums =~ / 0 failed/ && @all ? 0 : 1;
}
