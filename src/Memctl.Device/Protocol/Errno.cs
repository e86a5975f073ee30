namespace Memctl.Device.Protocol;

/// <summary>
/// The Linux errno values that the device itself answers (protocol, "Requests"; numbers of asm-generic, errno(3)).
/// </summary>
public static class Errno
{
    public const int EPERM = 1;
    public const int EAGAIN = 11;
    public const int ENOMEM = 12;
    public const int EFAULT = 14;
    public const int EBUSY = 16;
    public const int EINVAL = 22;
    public const int EOPNOTSUPP = 95;
}
