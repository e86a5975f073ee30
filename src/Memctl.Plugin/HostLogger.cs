using System.Text;
using Memctl.Plugin.Abi;
using Microsoft.Extensions.Logging;

namespace Memctl.Plugin;

/// <summary>Delivers log records to the VMM's callback, as UTF-8, until it is disposed of: then none is delivered and none is on its way.</summary>
internal sealed unsafe class HostLoggerProvider(memctl_host host) : ILoggerProvider
{
    /// <summary>The least weighty level that the VMM wants.</summary>
    internal LogLevel Least => host.log == null ? LogLevel.None : host.log_level switch
    {
        MemctlAbi.MEMCTL_LOG_OFF => LogLevel.None,
        MemctlAbi.MEMCTL_LOG_ERROR => LogLevel.Error,
        MemctlAbi.MEMCTL_LOG_WARN => LogLevel.Warning,
        MemctlAbi.MEMCTL_LOG_INFO => LogLevel.Information,
        MemctlAbi.MEMCTL_LOG_DEBUG => LogLevel.Debug,
        _ => LogLevel.Trace,
    };

    private int _delivering;
    private volatile bool _closed;

    /// <inheritdoc/>
    public ILogger CreateLogger(string categoryName) => new HostLogger(this, categoryName);

    /// <inheritdoc/>
    public void Dispose()
    {
        _closed = true;
        Interlocked.MemoryBarrier();
        var wait = new SpinWait();
        while (Volatile.Read(ref _delivering) != 0)
        {
            wait.SpinOnce();
        }
    }

    private void Deliver(uint level, ReadOnlySpan<byte> target, ReadOnlySpan<byte> message)
    {
        Interlocked.Increment(ref _delivering);
        try
        {
            if (!_closed)
            {
                fixed (byte* targetBytes = target)
                fixed (byte* messageBytes = message)
                {
                    host.log(host.context, level, targetBytes, (nuint)target.Length, messageBytes, (nuint)message.Length);
                }
            }
        }
        finally
        {
            Interlocked.Decrement(ref _delivering);
        }
    }

    private sealed class HostLogger(HostLoggerProvider provider, string category) : ILogger
    {
        private readonly byte[] _target = Encoding.UTF8.GetBytes(category);

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        /// <summary>Always: the factory's filter has asked for the level before.</summary>
        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(
            LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            provider.Deliver(LevelOf(logLevel), _target, Encoding.UTF8.GetBytes(formatter(state, exception)));
        }

        private static uint LevelOf(LogLevel level) => level switch
        {
            LogLevel.Trace => MemctlAbi.MEMCTL_LOG_TRACE,
            LogLevel.Debug => MemctlAbi.MEMCTL_LOG_DEBUG,
            LogLevel.Information => MemctlAbi.MEMCTL_LOG_INFO,
            LogLevel.Warning => MemctlAbi.MEMCTL_LOG_WARN,
            _ => MemctlAbi.MEMCTL_LOG_ERROR,
        };
    }
}
