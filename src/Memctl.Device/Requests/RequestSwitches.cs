namespace Memctl.Device.Requests;

/// <summary>
/// What the VMM switches while requests run. A request reads a switch in its read-side critical section; who changes one
/// synchronizes afterwards.
/// </summary>
internal sealed class RequestSwitches
{
    private bool _discardInhibited;
    private bool _dirtyLogging;

    /// <summary>Whether functions that drop memory contents answer EBUSY.</summary>
    internal bool DiscardInhibited
    {
        get => Volatile.Read(ref _discardInhibited);
        set => Volatile.Write(ref _discardInhibited, value);
    }

    /// <summary>Whether changes of guest memory are reported.</summary>
    internal bool DirtyLogging
    {
        get => Volatile.Read(ref _dirtyLogging);
        set => Volatile.Write(ref _dirtyLogging, value);
    }
}
