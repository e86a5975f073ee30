using Memctl.Device.Tests.Guest;

namespace Memctl.Device.Tests.Fuzz;

/// <summary>Requests and lists: a call of the kernel or a copy may fail on the way.</summary>
internal sealed partial class ActionDriver
{
    private void Request()
    {
        int channel = Next() % (MaxChannels + 1);
        ulong code = (ulong)Next() % 16;
        ulong addr = Address();
        ulong length = Length();
        ulong arg = Next() % 3ul;
        int fault = Next() % 12;
        _kernel.CallsUntilFailure = fault is 1 or 2 or 3 ? fault - 1 : -1;
        _kernel.FailWith = new[] { Wire.ENOMEM, Wire.EAGAIN, Wire.EIO, Wire.EINVAL }[Next() % 4];
        _kernel.Failed = false;
        _kernel.Advices.Clear();
        _copyFails = fault == 4;
        Tell($"request {channel}: code {code} {addr:x}+{length:x} arg {arg}, fault {fault}");
        if (_model.State == "Ready" && channel < _model.Buffers.Count)
        {
            Serve(channel, code, addr, length, arg);
        }
        else
        {
            Assert.False(Store(Wire.CommandOffset, 4, Wire.FirstChannel + (uint)channel));
            Assert.Empty(_kernel.Advices);
        }

        _kernel.CallsUntilFailure = -1;
        _copyFails = false;
    }

    private void Serve(int channel, ulong code, ulong addr, ulong length, ulong arg)
    {
        ulong buffer = _model.Buffers[channel];
        byte[] request = Wire.Request(code, addr, length, arg);
        bool inRam = _model.Covers(buffer, 32);
        if (inRam)
        {
            Poke(buffer, request);
        }

        int callsAllowed = _kernel.CallsUntilFailure;
        Assert.True(Store(Wire.CommandOffset, 4, Wire.FirstChannel + (uint)channel));
        if (!inRam)
        {
            return;
        }

        if (_copyFails)
        {
            Assert.Equal(request, Peek(buffer));
            return;
        }

        (ModelRegion, int)? failure = null;
        if (_kernel.Failed)
        {
            ulong start = _model.RegionOf(addr)!.Start;
            failure = (_model.RegionOf(start + ((ulong)callsAllowed * SlotPages * Page))!, _kernel.FailWith);
        }

        (int errno, uint error) = _model.Request(code, addr, length, arg, failure);
        byte[] expected = Wire.Answer(errno, error);
        if (code == 0)
        {
            expected[16] = 1;
            expected[20] = 1;
            expected[25] = 0x10;
        }

        Assert.Equal(expected, Peek(buffer));
    }

    /// <summary>A list at an address of interest: in what it names, in a request buffer, across regions, or outside RAM.</summary>
    private void RequestList()
    {
        int channel = Next() % MaxChannels;
        ulong code = (ulong)Next() % 16;
        ulong list = Address();
        (ulong Addr, ulong Length)[] entries = [.. Enumerable.Range(0, Next() % 5).Select(_ => (Address(), Length()))];
        ulong size = (ulong)entries.Length * 16;
        Tell($"list {channel}: code {code} at {list:x}: {string.Join(' ', entries.Select(entry => $"{entry.Addr:x}+{entry.Length:x}"))}");
        if (_model.State != "Ready" || channel >= _model.Buffers.Count || !_model.Covers(_model.Buffers[channel], 32))
        {
            return;
        }

        ulong buffer = _model.Buffers[channel];
        bool inRam = size == 0 || _model.Covers(list, size);
        if (inRam)
        {
            Poke(list, [.. entries.SelectMany(entry => Wire.Entry(entry.Addr, entry.Length))]);
        }

        Poke(buffer, Wire.Request(code | Wire.ListBit, list, size, arg: 1));
        if (inRam && size != 0)
        {
            // Where the request lies in the list, that is what the device reads.
            entries = Wire.Entries(Peek(list, (int)size));
        }

        Assert.True(Store(Wire.CommandOffset, 4, Wire.FirstChannel + (uint)channel));
        (int errno, uint error, int done) = code != 0 && code < (ulong)Wire.MemctlCodes.Length && list % 16 != 0
            ? (Wire.EINVAL, Wire.BAD_LIST, 0)
            : _model.RequestList(code, inRam ? entries : [], arg: 1);
        if (!inRam && errno == 0)
        {
            (errno, error) = (Wire.EINVAL, Wire.NOT_GUEST_MEMORY);
        }

        Assert.Equal(Wire.Answer(errno, error, (ulong)done), Peek(buffer, 32));
    }
}
