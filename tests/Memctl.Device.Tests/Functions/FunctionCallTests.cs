using Memctl.Device.Memory;
using Memctl.Device.Tests.Guest;

namespace Memctl.Device.Tests.Functions;

/// <summary>Every function code of both dialects: the host call that it makes, and its answer to the byte.</summary>
public sealed class FunctionCallTests
{
    private const ulong Addr = TestGuest.Low + (2 * Wire.Page);
    private const ulong Length = 3 * Wire.Page;
    private const string Range = "(700000002000, 3000";

    /// <summary>Dialect, function, and the host call.</summary>
    public static TheoryData<string, string, string> Codes
    {
        get
        {
            var data = new TheoryData<string, string, string>();
            foreach (string dialect in new[] { "memctl", "pvmemcontrol" })
            {
                foreach (string function in Wire.CodesOf(dialect).Where(name => name != "INFO"))
                {
                    data.Add(dialect, function, HostCallOf(function, dialect));
                }
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Codes))]
    public void Request_OfPages_MakesExactlyItsHostCall(string dialect, string function, string call)
    {
        TestGuest guest = TestGuest.Connected($"dialect={dialect}");

        byte[] answer = guest.Request(function, Addr, Length, arg: 7);

        Assert.Equal(Wire.Answer(0), answer);
        Assert.Equal(call, Assert.Single(guest.Calls.Calls).ToString());
        Assert.Equal(1u, guest.Counter($"requests_{function}"));
        Assert.Equal(0u, guest.Counter($"errors_{function}"));
        Assert.Equal(Length, guest.Counter($"bytes_{function}"));
        Assert.DoesNotContain(guest.Log.Records, record => record.Id >= 200);
    }

    [Theory]
    [MemberData(nameof(Codes))]
    public void Request_ThatTheKernelRefuses_AnswersItsErrnoAndNoCode(string dialect, string function, string call)
    {
        TestGuest guest = TestGuest.Connected($"dialect={dialect}");
        guest.Calls.Answer = made => made.ToString() == call ? Wire.EIO : 0;

        byte[] answer = guest.Request(function, Addr, Length, arg: 7);

        Assert.Equal(Wire.Answer(Wire.EIO), answer);
        Assert.Equal(1u, guest.Counter($"errors_{function}"));
        Assert.Equal(0u, guest.Counter($"bytes_{function}"));
    }

    [Theory]
    [MemberData(nameof(Codes))]
    public void Request_OfASetOfPagesAcrossAdjoiningRegions_MakesOneCallInEach(string dialect, string function, string call)
    {
        TestGuest guest = TestGuest.Connected($"dialect={dialect}");

        byte[] answer = guest.Request(function, TestGuest.High - (2 * Wire.Page), 3 * Wire.Page, arg: 7);

        Assert.Equal(Wire.Answer(0), answer);
        Assert.Equal(
            [
                call.Replace(Range, "(70000000e000, 2000", StringComparison.Ordinal),
                call.Replace(Range, "(710000000000, 1000", StringComparison.Ordinal),
            ],
            guest.Calls.Calls.Select(made => made.ToString()));
    }

    [Fact]
    public void Info_InMemctl_AnswersVersionAndPageSizeInItsOwnLayout()
    {
        TestGuest guest = TestGuest.Connected();

        byte[] answer = guest.Request("INFO", addr: 1, length: ulong.MaxValue, arg: 3);

        byte[] expected = new byte[32];
        expected[16] = 1;
        expected[20] = 1;
        expected[25] = 0x10;
        Assert.Equal(expected, answer);
        Assert.Empty(guest.Calls.AllCalls);
        Assert.Equal(0u, guest.Counter("bytes_INFO"));
    }

    [Fact]
    public void Info_InPvmemcontrol_AnswersInTheCommonLayout()
    {
        TestGuest guest = TestGuest.Connected("dialect=pvmemcontrol");

        byte[] answer = guest.Request("INFO", addr: 1, length: ulong.MaxValue, arg: 3);

        byte[] expected = new byte[32];
        expected[9] = 0x10;
        expected[16] = 1;
        Assert.Equal(expected, answer);
    }

    [Theory]
    [InlineData("memctl", 14ul)]
    [InlineData("memctl", 15ul)]
    [InlineData("memctl", 0x1_0000_0000ul)]
    [InlineData("memctl", 0x8000_0000ul)]
    [InlineData("memctl", ulong.MaxValue)]
    [InlineData("pvmemcontrol", 15ul)]
    [InlineData("pvmemcontrol", 0x1_0000_0001ul)]
    [InlineData("pvmemcontrol", ulong.MaxValue)]
    public void Request_OfUnknownCode_AnswersEopnotsuppAndDoesNothing(string dialect, ulong code)
    {
        TestGuest guest = TestGuest.Connected($"dialect={dialect}");

        byte[] answer = guest.Send(Wire.Request(code, Addr, Length, ulong.MaxValue));

        Assert.Equal(Wire.Answer(Wire.EOPNOTSUPP, dialect == "memctl" ? Wire.UNKNOWN_FUNCTION : (uint)code), answer);
        Assert.Empty(guest.Calls.AllCalls);
        Assert.Equal(1u, guest.Counter("refused_UNKNOWN_FUNCTION"));
    }

    [Theory]
    [InlineData("memctl", 0ul, "")]
    [InlineData("memctl", 1ul, "memctl-1\\0")]
    [InlineData("memctl", ulong.MaxValue, "memctl-18446744073709551615\\0")]
    [InlineData("pvmemcontrol", 0ul, "")]
    [InlineData("pvmemcontrol", ulong.MaxValue, "pvmemcontrol-18446744073709551615\\0")]
    public void SetVmaAnonName_OfANumber_NamesTheRangeWithIt(string dialect, ulong number, string name)
    {
        TestGuest guest = TestGuest.Connected($"dialect={dialect}");

        Assert.Equal(Wire.Answer(0), guest.Request("SET_VMA_ANON_NAME", Addr, Length, number));

        Assert.Equal($"name{Range}, \"{name}\")", Assert.Single(guest.Calls.Calls).ToString());
    }

    [Theory]
    [InlineData(RegionTraits.None, "MERGEABLE", "Mergeable")]
    [InlineData(RegionTraits.Mergeable, "MERGEABLE", "Mergeable")]
    [InlineData(RegionTraits.None, "UNMERGEABLE", "Unmergeable")]
    [InlineData(RegionTraits.Mergeable, "UNMERGEABLE", "Unmergeable")]
    [InlineData(RegionTraits.DontDump, "DONTDUMP", "DontDump")]
    public void Request_WhateverTheRegionsTraits_AdvisesWhatItSays(RegionTraits traits, string function, string advice)
    {
        var guest = new TestGuest("dialect=pvmemcontrol");
        guest.AddRegion(1 << 20, Wire.Page, 0x7300_0000_0000, traits);
        guest.Connect(TestGuest.BufferOf(0));

        Assert.Equal(Wire.Answer(0), guest.Request(function, 1 << 20, Wire.Page));

        Assert.Equal($"{advice}(730000000000, 1000)", Assert.Single(guest.Calls.Calls).ToString());
    }

    private static string HostCallOf(string function, string dialect) => function switch
    {
        "DONTNEED" => $"DontNeed{Range})",
        "REMOVE" => $"Remove{Range})",
        "FREE" => $"Free{Range})",
        "PAGEOUT" => $"PageOut{Range})",
        "MERGEABLE" => $"Mergeable{Range})",
        "UNMERGEABLE" => $"Unmergeable{Range})",
        "DONTDUMP" => $"DontDump{Range})",
        "MLOCK" => $"mlock2{Range})",
        "MUNLOCK" => $"munlock{Range})",
        "MPROTECT_NONE" => $"mprotect 0{Range})",
        "MPROTECT_R" => $"mprotect 1{Range})",
        "MPROTECT_W" => $"mprotect 2{Range})",
        "MPROTECT_RW" => $"mprotect 3{Range})",
        _ => $"name{Range}, \"{dialect}-7\\0\")",
    };
}
