#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# mutants.pl SOURCES COPY: copies the device's sources with every mutant in them, of which the program chooses one as it runs.
# Prints each mutant's name, a tab, and what it lacks.
use strict;
use warnings;
use File::Basename qw(dirname);
use File::Path qw(make_path remove_tree);

# Mutants in the form NAME: what it lacks; then the file, the text that must be there exactly once, and what takes its place, in
# which NAME? is whether that mutant was chosen.
my @changes = (
    [
        {
            ONE_ROUND => 'the second of two rounds',
        },
        'Channels/ChannelTable.cs',
        'round < 2',
        'round < (ONE_ROUND? ? 1 : 2)'
    ],
    [
        {
            NO_WAIT_IN_FIRST_ROUND  => 'the wait of the first round',
            NO_WAIT_IN_SECOND_ROUND => 'the wait of the second round',
        },
        'Channels/ChannelTable.cs',
        'while (!channel.IsQuiescent(old))',
        'while (!(NO_WAIT_IN_FIRST_ROUND? && round == 0) && !(NO_WAIT_IN_SECOND_ROUND? && round == 1) && !channel.IsQuiescent(old))'
    ],
    [
        {
            NOT_EVERY_CHANNEL => 'the wait for one of the channels',
        },
        'Channels/ChannelTable.cs',
        'foreach (Channel channel in live.Channels)',
        'foreach (Channel channel in NOT_EVERY_CHANNEL? ? live.Channels[1..] : live.Channels)'
    ],
    [
        {
            NO_LOCK => 'the lock that keeps grace periods apart',
        },
        'Channels/ChannelTable.cs',
        'lock (_gracePeriod)',
        'lock (NO_LOCK? ? new Lock() : _gracePeriod)'
    ],
    [
        {
            NO_EXCHANGE_FENCE => q(the fence of the epoch's exchange),
        },
        'Channels/ChannelTable.cs',
        'int old = _epoch;
                Interlocked.Exchange(ref _epoch, 1 - old);',
        'int old = Volatile.Read(ref _epoch);
                _ = NO_EXCHANGE_FENCE? ? StoreWithoutFence(ref _epoch, 1 - old) : Interlocked.Exchange(ref _epoch, 1 - old);'
    ],
    [
        {
            NO_EPOCHS => 'epochs',
        },
        'Channels/Channel.cs',
        'Volatile.Read(ref _state.Readers[epoch & 1]) == 0',
        'Volatile.Read(ref _state.Readers[epoch & 1]) + (NO_EPOCHS? ? Volatile.Read(ref _state.Readers[1 - epoch]) : 0) == 0'
    ],
    [
        {
            NO_INCREMENT_FENCE => q(the fence of a request's increment),
        },
        'Channels/Channel.cs',
        'Interlocked.Increment(ref _state.Readers[epoch & 1])',
        '_ = NO_INCREMENT_FENCE? ? StoreWithoutFence(ref _state.Readers[epoch & 1], _state.Readers[epoch & 1] + 1)
            : Interlocked.Increment(ref _state.Readers[epoch & 1])'
    ],
    [
        {
            NO_DECREMENT_RELEASE => 'the order of an answer and its decrement',
        },
        'Channels/Channel.cs',
        'Interlocked.Decrement(ref _state.Readers[epoch & 1])',
        '_ = NO_DECREMENT_RELEASE? ? AddWithoutRelease(ref _state.Readers[epoch & 1], -1) : Interlocked.Decrement(ref _state.Readers[epoch & 1])'
    ],
    [
        {
            NO_CHECK_AFTER_LOCK => q(a request's second look at its connection),
            CHECK_BEFORE_LOCK   => 'the increment before that look',
        },
        'Channels/ChannelTable.cs',
        'epoch = ReadLock(channel);
        if (Connected == connected)',
        'bool before = CHECK_BEFORE_LOCK? && Connected == connected;
        epoch = ReadLock(channel);
        if (NO_CHECK_AFTER_LOCK? || before || (!CHECK_BEFORE_LOCK? && Connected == connected))'
    ],
    [
        {
            NO_SYNCHRONIZE_IN_FORGET => 'the wait for requests when their channels go',
        },
        'Channels/ChannelTable.cs',
        'Synchronize();
        Volatile.Write(ref _live, null);',
        'if (!NO_SYNCHRONIZE_IN_FORGET?) { Synchronize(); }
        Volatile.Write(ref _live, null);'
    ],
    [
        {
            NO_WAIT_FOR_CHANGE => 'the wait for a long host call',
        },
        'MemctlDevice.Transport.cs',
        '_attributes.WaitForChange();',
        'if (!NO_WAIT_FOR_CHANGE?) { _attributes.WaitForChange(); }'
    ],
    [
        {
            NO_CHECK_UNDER_CALLS => 'the look at the connection before a long host call',
        },
        'Requests/AttributePath.cs',
        'if (channels.Connected != connected)',
        'if (!NO_CHECK_UNDER_CALLS? && channels.Connected != connected)'
    ],
    [
        {
            NO_SECTION_FOR_ANSWER => 'the section in which a long host call is answered',
        },
        'Requests/AttributePath.cs',
        'section.Begin(channels);',
        'if (!NO_SECTION_FOR_ANSWER?) { section.Begin(channels); }'
    ],
    [
        {
            NO_LOCATE             => 'buffers that are looked up anew when memory goes',
            SYNCHRONIZE_TOO_EARLY => 'the wait for the answer of a change that was undone',
            NO_SYNCHRONIZE        => 'the wait for requests when memory goes',
        },
        'MemctlDevice.Memory.cs',
        '_channels.LocateBuffers(_memory, start, end);
        int errno = _attributes.Revert(map, start, end, forget: true);
        // Only now: a change that was waited for had its answer to write yet.
        _channels.Synchronize();',
        'if (!NO_LOCATE?) { _channels.LocateBuffers(_memory, start, end); }
        if (SYNCHRONIZE_TOO_EARLY?) { _channels.Synchronize(); }
        int errno = _attributes.Revert(map, start, end, forget: true);
        if (!SYNCHRONIZE_TOO_EARLY? && !NO_SYNCHRONIZE?) { _channels.Synchronize(); }'
    ],
    [
        {
            PUBLISH_TOO_LATE => 'memory that is unpublished before the wait',
        },
        'MemctlDevice.Memory.cs',
        '_memory.Publish(map.Without(region));
            errno = TakeAway(map, guestAddress, region.End);',
        'if (!PUBLISH_TOO_LATE?) { _memory.Publish(map.Without(region)); }
            errno = TakeAway(map, guestAddress, region.End);
            _memory.Publish(map.Without(region));'
    ],
    [
        {
            UNPLUG_TOO_LATE => 'a block that is absent before the wait',
        },
        'MemctlDevice.Memory.cs',
        'SetPresent(false, guestAddress, length);
            errno = TakeAway(_memory.Map, guestAddress, end);',
        'if (!UNPLUG_TOO_LATE?) { SetPresent(false, guestAddress, length); }
            errno = TakeAway(_memory.Map, guestAddress, end);
            if (UNPLUG_TOO_LATE?) { SetPresent(false, guestAddress, length); }'
    ],
    [
        {
            NO_SYNCHRONIZE_IN_INHIBIT => 'the wait for discards in progress when they are inhibited',
        },
        'MemctlDevice.Control.cs',
        '_memory.DiscardInhibited = enabled;
            _channels.Synchronize();',
        '_memory.DiscardInhibited = enabled;
            if (!NO_SYNCHRONIZE_IN_INHIBIT?) { _channels.Synchronize(); }'
    ],
    [
        {
            NO_SYNCHRONIZE_IN_LOG => 'the wait for requests in progress when changes are logged',
        },
        'MemctlDevice.Control.cs',
        '_memory.DirtyLogging = enabled;
            _channels.Synchronize();',
        '_memory.DirtyLogging = enabled;
            if (!NO_SYNCHRONIZE_IN_LOG?) { _channels.Synchronize(); }'
    ],
);

my ($sources, $copy) = @ARGV;
remove_tree($copy);
make_path($copy);
# Without what a build left there.
chomp(my @files = `cd '$sources' && find . -name '*.cs' -not -path './bin/*' -not -path './obj/*'`);
my %text;
for my $file (@files) {
    $file =~ s{^\./}{};
    open(my $in, '<', "$sources/$file") or die "mutants.pl: $file: $!\n";
    local $/;
    $text{$file} = <$in>;
}

for my $change (@changes) {
    my ($lacks, $file, $from, $to) = @$change;
    my $times = () = $text{$file} =~ /\Q$from\E/g;
    die "mutants.pl: $file has this $times times instead of once:\n$from\n" if $times != 1;
    $to =~ s/\b([A-Z_]{5,})\?/Memctl.Schedules.Mutants.Is("$1")/g;
    $to =~ s/\b(StoreWithoutFence|AddWithoutRelease)\b/Memctl.Schedules.Mutants.$1/g;
    $text{$file} =~ s/\Q$from\E/$to/;
    print "$_\t$lacks->{$_}\n" for sort keys %$lacks;
}

for my $file (keys %text) {
    make_path(dirname("$copy/$file"));
    open(my $out, '>', "$copy/$file") or die "mutants.pl: $file: $!\n";
    print {$out} $text{$file};
    close($out) or die "mutants.pl: $file: $!\n";
}
