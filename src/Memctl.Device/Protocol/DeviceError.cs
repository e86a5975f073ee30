namespace Memctl.Device.Protocol;

/// <summary>
/// The device's own error codes: <c>ret_code</c> of an answer, 0 where the errno came from the host's system call.
/// Values never change (protocol, "Error codes").
/// </summary>
public enum DeviceError : uint
{
    /// <summary>No error, or one of the host's system call.</summary>
    NONE = 0,

    /// <summary>EOPNOTSUPP: the dialect has no such function code.</summary>
    UNKNOWN_FUNCTION = 1,

    /// <summary>EINVAL: address or length is not a multiple of the host's page size.</summary>
    UNALIGNED = 2,

    /// <summary>EINVAL: the range wraps, or is not wholly guest RAM.</summary>
    NOT_GUEST_MEMORY = 3,

    /// <summary>EPERM: the operator's policy denies this function.</summary>
    DENIED = 4,

    /// <summary>EBUSY: discarding is inhibited while a host device has guest memory pinned.</summary>
    DISCARD_INHIBITED = 5,

    /// <summary>EBUSY: the range to be protected contains the buffer of a connected channel.</summary>
    HOLDS_BUFFER = 6,

    /// <summary>ENOMEM: the budget of locked bytes (<c>max_locked</c>) is spent.</summary>
    LOCK_BUDGET = 7,

    /// <summary>ENOMEM: the budget of mappings split off (<c>max_splits</c>) is spent.</summary>
    SPLIT_BUDGET = 8,

    /// <summary>EFAULT: the device could not read the request from its buffer, or the list that it names.</summary>
    BUFFER_UNREADABLE = 9,

    /// <summary>EINVAL: a list's address or size is not a multiple of 16, or its size is over 4096 bytes.</summary>
    BAD_LIST = 10,

    /// <summary>EAGAIN: the budget of bytes paged out in a second (<c>max_pageout</c>) is spent.</summary>
    PAGEOUT_BUDGET = 11,
}
