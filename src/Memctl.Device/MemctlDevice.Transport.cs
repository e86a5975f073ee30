using Memctl.Device.Logging;
using Memctl.Device.Memory;
using Memctl.Device.Protocol;
using Memctl.Device.State;

namespace Memctl.Device;

/// <content>
/// The transport state machine: what RESET, REGISTER, READY and DISCONNECT do (protocol, "Transport commands").
/// </content>
public sealed partial class MemctlDevice
{
    /// <summary>
    /// Carries out a transport command. Its answer is read from the command register: see <see cref="MmioRead"/>.
    /// </summary>
    /// <returns>False if the value is no transport command.</returns>
    private bool Transport(uint value)
    {
        var command = (TransportCommand)value;
        if (!Enum.IsDefined(command))
        {
            return IgnoreChannel(value);
        }

        string? refusal;
        lock (_transportLock)
        {
            refusal = command switch
            {
                TransportCommand.RESET => StartRegistering(),
                TransportCommand.REGISTER => RegisterChannel(),
                TransportCommand.READY => Connect(),
                TransportCommand.DISCONNECT => EndConnection(),
                _ => Refuse("it is an answer, not a command"),
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
        ForgetChannels();
        _transport = TransportState.Registering;
        return null;
    }

    private string? RegisterChannel()
    {
        if (_transport != TransportState.Registering)
        {
            return Refuse("the device is not registering channels");
        }

        ulong buffer = _payload;
        if (!_memory.Map.Covers(buffer, Protocol.Request.Size))
        {
            return Refuse("the buffer is not in guest RAM");
        }

        if (_attributes.IsProtected(buffer, buffer + Protocol.Request.Size))
        {
            return Refuse("the buffer is in a page that the guest has protected");
        }

        if (!_channels.TryAdd(buffer))
        {
            return Refuse("every channel is taken");
        }

        Volatile.Write(ref _payload, _channels.LastCommand);
        return null;
    }

    private string? Connect()
    {
        if (_transport != TransportState.Registering)
        {
            return Refuse("the device is not registering channels");
        }

        // Of a connection that ended without DISCONNECT: of a kernel that crashed, or was left without its driver's shutdown.
        Revert();
        OpenChannels();
        _transport = TransportState.Ready;
        return null;
    }

    private string? EndConnection()
    {
        Disconnect();
        Revert();
        return null;
    }

    private void Disconnect()
    {
        ForgetChannels();
        _transport = TransportState.Disconnected;
    }

    private string Refuse(string refusal)
    {
        Disconnect();
        return refusal;
    }

    /// <summary>
    /// Attributes end with their connection (protocol, "Life cycle"). What the kernel does not revert stays in the map.
    /// </summary>
    private void Revert()
    {
        int errno = RevertAll();
        if (errno != 0)
        {
            DeviceLog.NotReverted(_logger, 0, ulong.MaxValue, errno);
        }
    }

    /// <summary>Makes all of guest RAM as registered. No request may be connected.</summary>
    /// <returns>0, or the errno of the first call that failed; the rest was tried all the same.</returns>
    private int RevertAll()
    {
        lock (_control)
        {
            RegionMap map = _memory.Map;
            int first = 0;
            foreach (MemoryRegion region in map.Regions)
            {
                int errno = _attributes.Revert(map, region.GuestAddress, region.End, forget: false);
                first = first != 0 ? first : errno;
            }

            return first;
        }
    }

    /// <summary>Lets the guest make requests, with its buffers looked up before any of its memory can go away.</summary>
    private void OpenChannels()
    {
        lock (_control)
        {
            _channels.Connect();
            _channels.LocateBuffers(_memory, 0, ulong.MaxValue);
        }
    }

    /// <summary>Takes the channels away. When it returns, nothing writes to their buffers any more.</summary>
    private void ForgetChannels()
    {
        _channels.Disconnect();
        _attributes.WaitForChange();
        _channels.Forget();
    }
}
