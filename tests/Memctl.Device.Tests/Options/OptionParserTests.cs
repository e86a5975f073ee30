using Memctl.Device.Functions;
using Memctl.Device.Options;

namespace Memctl.Device.Tests.Options;

/// <summary>Every key, every group, and every way to get one wrong.</summary>
public sealed class OptionParserTests
{
    /// <summary>Wrong options, with what the message must name besides.</summary>
    public static TheoryData<string, string[]> Wrong => new()
    {
        { "dialect=virtio", ["dialect", "virtio", "memctl", "pvmemcontrol"] },
        { "dialect=", ["dialect", "''"] },
        { "dialect=MEMCTL", ["dialect", "MEMCTL"] },
        { "channels=0", ["channels", "'0'", "1", "8192"] },
        { "channels=8193", ["channels", "8193", "8192"] },
        { "channels=-1", ["channels", "-1"] },
        { "channels=4k", ["channels", "4k"] },
        { "channels=", ["channels", "''"] },
        { "channels= 4", ["channels", "' 4'"] },
        { "channels=99999999999999999999", ["channels", "99999999999999999999"] },
        { "max_locked=", ["max_locked", "''"] },
        { "max_locked=M", ["max_locked", "'M'"] },
        { "max_locked=-1", ["max_locked", "-1"] },
        { "max_locked=1P", ["max_locked", "1P"] },
        { "max_locked=1MM", ["max_locked", "1MM"] },
        { "max_locked=16777216T", ["max_locked", "16777216T"] },
        { "max_locked=18446744073709551616", ["max_locked", "18446744073709551616"] },
        { "max_splits=-1", ["max_splits", "-1"] },
        { "max_splits=32769", ["max_splits", "32769", "32768"] },
        { "max_splits=1K", ["max_splits", "1K"] },
        { "max_log_lines=6001", ["max_log_lines", "6001", "6000"] },
        { "max_log_lines=x", ["max_log_lines", "'x'"] },
        { "allow=[discard,fly]", ["allow", "fly", "discard, merge, dump, lock, protect, name"] },
        { "deny=madvise", ["deny", "madvise"] },
        { "deny=3", ["deny", "'3'"] },
        { "deny=[INFO]", ["deny", "INFO"] },
        { "deny=[lock,info]", ["deny", "INFO"] },
        { "deny=[lock", ["deny=[lock", "bracket"] },
        { "deny=lock]", ["deny=lock]", "bracket"] },
        { "deny=[[lock]]", ["[[lock]]", "bracket"] },
        { "deny=[lock]x", ["deny", "[lock]x"] },
        { "colour=red", ["colour", "dialect, channels, max_locked, max_splits, max_pageout, max_request_time, max_log_lines, on_fault, allow, deny"] },
        { "Channels=4", ["Channels", "unknown"] },
        { "channels", ["'channels'", "key=value"] },
        { "=4", ["'=4'", "key=value"] },
        { ",", ["''", "key=value"] },
        { "channels=4,", ["''", "key=value"] },
        { "channels=4,channels=5", ["channels", "twice"] },
    };

    [Fact]
    public void Parse_OfNothing_GivesTheDefaults() => Assert.Equal(new DeviceOptions(), OptionParser.Parse(""));

    [Fact]
    public void Defaults_AreTheDocumentedOnes()
    {
        DeviceOptions options = OptionParser.Parse("");

        Assert.Same(Dialect.Memctl, options.Dialect);
        Assert.Equal(4096, options.Channels);
        Assert.Equal(256ul << 20, options.MaxLocked);
        Assert.Equal(16384, options.MaxSplits);
        Assert.Equal(60, options.MaxLogLines);
        Assert.Equal(FunctionSet.All, options.Allowed);
    }

    [Fact]
    public void Parse_OfEveryKey_TakesEach()
    {
        DeviceOptions options = OptionParser.Parse(
            "dialect=pvmemcontrol,channels=8192,max_locked=1G,max_splits=0,max_log_lines=6000,allow=[discard,lock],deny=FREE");

        Assert.Same(Dialect.Pvmemcontrol, options.Dialect);
        Assert.Equal(8192, options.Channels);
        Assert.Equal(1ul << 30, options.MaxLocked);
        Assert.Equal(0, options.MaxSplits);
        Assert.Equal(6000, options.MaxLogLines);
        Assert.Equal(
            SetOf("INFO", "DONTNEED", "REMOVE", "MLOCK", "MUNLOCK"), options.Allowed);
    }

    [Theory]
    [InlineData("0", 0ul)]
    [InlineData("4096", 4096ul)]
    [InlineData("3k", 3ul << 10)]
    [InlineData("3K", 3ul << 10)]
    [InlineData("3m", 3ul << 20)]
    [InlineData("3G", 3ul << 30)]
    [InlineData("3T", 3ul << 40)]
    [InlineData("16777215T", 16777215ul << 40)]
    [InlineData("18446744073709551615", ulong.MaxValue)]
    public void Parse_OfASize_TakesItsSuffix(string text, ulong bytes) =>
        Assert.Equal(bytes, OptionParser.Parse($"max_locked={text}").MaxLocked);

    [Theory]
    [InlineData("discard", "DONTNEED,REMOVE,FREE")]
    [InlineData("lock", "MLOCK,MUNLOCK")]
    [InlineData("protect", "MPROTECT_NONE,MPROTECT_R,MPROTECT_W,MPROTECT_RW")]
    [InlineData("dump", "DONTDUMP")]
    [InlineData("merge", "MERGEABLE,UNMERGEABLE")]
    [InlineData("name", "SET_VMA_ANON_NAME")]
    [InlineData("PAGEOUT", "PAGEOUT")]
    [InlineData("[pageout]", "PAGEOUT")]
    [InlineData("[Discard,mprotect_none]", "DONTNEED,REMOVE,FREE,MPROTECT_NONE")]
    [InlineData("[]", "")]
    [InlineData("[INFO]", "")]
    public void Parse_OfAllow_LeavesThoseAndInfo(string value, string functions)
    {
        FunctionSet expected = SetOf(["INFO", .. functions.Split(',', StringSplitOptions.RemoveEmptyEntries)]);

        Assert.Equal(expected, OptionParser.Parse($"allow={value}").Allowed);
        if (!value.Contains("INFO", StringComparison.Ordinal))
        {
            FunctionSet left = FunctionSet.All.Without(expected).With(SetOf("INFO"));
            Assert.Equal(left, OptionParser.Parse($"deny={value}").Allowed);
        }
    }

    [Theory]
    [MemberData(nameof(Wrong))]
    public void Parse_OfWrongOptions_SaysWhichAndWhatItCanBe(string text, string[] named)
    {
        DeviceException exception = Assert.Throws<DeviceException>(() => OptionParser.Parse(text));

        Assert.Equal(DeviceFault.InvalidArgument, exception.Fault);
        Assert.All(named, part => Assert.Contains(part, exception.Message, StringComparison.Ordinal));
        Assert.EndsWith(".", exception.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', exception.Message);
    }

    [Fact]
    public void FunctionSet_All_HasEveryFunctionAndNoMore()
    {
        Assert.All(FunctionTable.All.ToArray(), function => Assert.True(FunctionSet.All.Contains(function)));
        Assert.Equal(FunctionTable.All.Length, System.Numerics.BitOperations.PopCount(FunctionSet.All.Bits));
    }

    private static FunctionSet SetOf(params string[] names)
    {
        Assert.All(names, name => Assert.NotNull(FunctionTable.Find(name)));
        return FunctionSet.Where(function => names.Contains(function.Name));
    }
}
