using Memctl.Top.Reading;

namespace Memctl.Top.Tests;

/// <summary>Texts of others: command lines, smaps.</summary>
public sealed class ReadingTests
{
    [Theory]
    [InlineData("vmm --api-socket path=/run/a.sock --cpus boot=1", "/run/a.sock")]
    [InlineData("vmm --api-socket /run/a.sock", "/run/a.sock")]
    [InlineData("vmm --api-socket=/run/a.sock", "/run/a.sock")]
    [InlineData("vmm --api-socket fd=3", "fd=3")]
    [InlineData("vmm --api-socket", null)]
    [InlineData("vmm --cpus boot=1", null)]
    public void SocketOf_CommandLines_IsWhatTheVmmListensAt(string line, string? socket) =>
        Assert.Equal(socket, ProcFiles.SocketOf(line.Split(' ')));

    [Theory]
    [InlineData("/run/web-1.sock", "web-1")]
    [InlineData("/run/vc/vm/3f2a/clh-api.sock", "3f2a")]
    [InlineData("/run/kata/3f2a/ch-api.sock", "3f2a")]
    [InlineData("/run/libvirt/ch/web.one-socket", "web.one")]
    [InlineData("/clh-api.sock", "clh-api")]
    public void NameOf_SocketsOfOrchestrators_IsTheVms(string socket, string name) =>
        Assert.Equal(name, ProcFiles.NameOf(socket));

    [Theory]
    [InlineData(7, "/run/libvirt/ch/web 1-socket", "web 1")]
    [InlineData(8, null, "vmm-42")]
    [InlineData(9, null, "vmm-42")]
    public void Describe_SocketHandedToTheVmm_IsFoundByItsInode(int descriptor, string? socket, string name)
    {
        DirectoryInfo proc = Directory.CreateTempSubdirectory();
        try
        {
            string process = Path.Combine(proc.FullName, "42");
            Directory.CreateDirectory(Path.Combine(process, "fd"));
            Directory.CreateDirectory(Path.Combine(process, "net"));
            File.WriteAllText(Path.Combine(process, "cmdline"), $"vmm\0--api-socket\0fd={descriptor}\0");
            File.WriteAllText(Path.Combine(process, "comm"), "vmm\n");
            // The ninth is closed.
            File.CreateSymbolicLink(Path.Combine(process, "fd", "7"), "socket:[1234]");
            File.CreateSymbolicLink(Path.Combine(process, "fd", "8"), "socket:[234]");
            File.WriteAllLines(Path.Combine(process, "net", "unix"),
            [
                "Num       RefCount Protocol Flags    Type St Inode Path",
                "0000000000000000: 00000002 00000000 00010000 0001 01 11234 /run/other",
                "0000000000000000: 00000002 00000000 00010000 0001 01  1234 /run/libvirt/ch/web 1-socket",
                "0000000000000000: 00000003 00000000 00000000 0001 03   234",
            ]);
            Assert.Equal(new Vmm(42, name, socket), new ProcFiles(proc.FullName).Describe(42));
        }
        finally
        {
            proc.Delete(recursive: true);
        }
    }

    [Fact]
    public void Smaps_OfSeveralMappings_KeepsThoseAskedFor()
    {
        string[] lines =
        [
            "55d0c0000000-55d0c0001000 r-xp 00000000 08:01 17                         /usr/bin/vmm",
            "AnonHugePages:      4096 kB",
            "VmFlags: rd ex mr mw me sd",
            "7f0000000000-7f0000400000 rw-s 00200000 00:01 2051                       /memfd:ram (deleted)",
            "Rss:                1024 kB",
            "AnonHugePages:         0 kB",
            "ShmemPmdMapped:     2048 kB",
            "VmFlags: rd wr sh mr mw me ms ht",
            "7f0000400000-7f0000600000 rw-p 00000000 00:00 0 ",
            "AnonHugePages:      2048 kB",
            "VmFlags: rd wr mr mw me ac",
        ];
        Mapping[] expected =
        [
            new(0x7f0000000000, 0x7f0000400000, Shared: true, 0x200000, 2051, 2 << 20, Hugetlb: true),
            new(0x7f0000400000, 0x7f0000600000, Shared: false, 0, 0, 2 << 20),
        ];
        Assert.Equal(expected, MappingFile.Read(lines, 0x7f0000001000, 0x7f0000500000));
        Assert.Equal(expected[..1], MappingFile.Read(lines, 0x7f0000000000, 0x7f0000400000));
    }

    [Fact]
    public void Printable_OfTextThatMovesTheCursor_DoesNot() => Assert.Equal("?[2Jvm?", ProcFiles.Printable("\u001b[2Jvm\n"));
}
