using Memctl.Top.Reading;

namespace Memctl.Top.Tests;

/// <summary>Texts of others: command lines, smaps.</summary>
public sealed class ReadingTests
{
    [Theory]
    [InlineData("vmm --api-socket path=/run/a.sock --cpus boot=1", "/run/a.sock")]
    [InlineData("vmm --api-socket /run/a.sock", "/run/a.sock")]
    [InlineData("vmm --api-socket=/run/a.sock", "/run/a.sock")]
    [InlineData("vmm --api-socket fd=3", null)]
    [InlineData("vmm --api-socket", null)]
    [InlineData("vmm --cpus boot=1", null)]
    public void SocketOf_CommandLines_IsWhatTheVmmListensAt(string line, string? socket) =>
        Assert.Equal(socket, ProcFiles.SocketOf(line.Split(' ')));

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
