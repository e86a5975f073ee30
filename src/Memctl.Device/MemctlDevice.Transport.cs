using Memctl.Device.Logging;
using Memctl.Device.Protocol;
using Memctl.Device.State;

namespace Memctl.Device;

/// <content>The transport state machine: what RESET, REGISTER, READY and DISCONNECT do.</content>
public sealed partial class MemctlDevice
{
    /// <summary>Carries out a transport command. What it answers is read from the command register: see <see cref="MmioRead"/>.</summary>
    /// <returns>False if the value is no transport command.</returns>
    private bool Transport(uint value)
    {
        var command = (TransportCommand)value;
        if (!Enum.IsDefined(command))
        {
            return IgnoreChannel(value);
        }

        string? refusal;
        lock (_control)
        {
            refusal = command switch
            {
                TransportCommand.RESET => StartRegistering(),
                TransportCommand.REGISTER => RegisterChannel(),
                TransportCommand.READY => Connect(),
                TransportCommand.DISCONNECT => Disconnect(null),
                _ => Disconnect("it is an answer, not a command"),
            };
        }

        if (refusal is null)
        {
            return true;
        }

        Interlocked.Increment(ref _refusedCommands);
        if (MayLog())
        {
            GuestRecords.Write(_logger, new CommandRefusedRecord(command.ToString(), refusal));
        }

        return true;
    }

    private string? StartRegistering()
    {
        _channels.Disconnect();
        _transport = TransportState.Registering;
        return null;
    }

    private string? RegisterChannel()
    {
        if (_transport != TransportState.Registering)
        {
            return Disconnect("the device is not registering channels");
        }

        ulong buffer = _payload;
        if (!_memory.Map.Covers(buffer, Protocol.Request.Size))
        {
            return Disconnect("the buffer is not in guest RAM");
        }

        if (_attributes.IsClosed(buffer, buffer + Protocol.Request.Size))
        {
            return Disconnect("the buffer is in a page that the guest has closed");
        }

        if (!_channels.TryAdd(buffer))
        {
            return Disconnect("every channel is taken");
        }

        Volatile.Write(ref _payload, _channels.LastCommand);
        return null;
    }

    private string? Connect()
    {
        if (_transport != TransportState.Registering)
        {
            return Disconnect("the device is not registering channels");
        }

        _channels.Connect();
        _transport = TransportState.Ready;
        return null;
    }

    private string? Disconnect(string? refusal)
    {
        _channels.Disconnect();
        _transport = TransportState.Disconnected;
        return refusal;
    }
}
