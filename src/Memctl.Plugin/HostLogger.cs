using System.Globalization;
using System.Text;
using Memctl.Plugin.Abi;
using Microsoft.Extensions.Logging;

namespace Memctl.Plugin;

/// <summary>
/// Delivers log records to the VMM's callback, as UTF-8. Disposing of it waits for the callbacks in progress; there is none
/// afterwards.
/// </summary>
internal sealed unsafe class HostLoggerProvider(memctl_host host) : ILoggerProvider
{
    /// <summary>The minimum severity that the VMM asks for.</summary>
    internal LogLevel MinimumLevel => host.log == null ? LogLevel.None : host.log_level switch
    {
        MemctlAbi.MEMCTL_LOG_OFF => LogLevel.None,
        MemctlAbi.MEMCTL_LOG_ERROR => LogLevel.Error,
        MemctlAbi.MEMCTL_LOG_WARN => LogLevel.Warning,
        MemctlAbi.MEMCTL_LOG_INFO => LogLevel.Information,
        MemctlAbi.MEMCTL_LOG_DEBUG => LogLevel.Debug,
        _ => LogLevel.Trace,
    };

    private int _delivering;
    private volatile bool _disposed;

    /// <inheritdoc/>
    public ILogger CreateLogger(string categoryName) => new HostLogger(this, categoryName);

    /// <inheritdoc/>
    public void Dispose()
    {
        _disposed = true;
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
            if (!_disposed)
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
        /// <summary>Room for a record that formats itself; every record that a guest can cause is shorter.</summary>
        private const int StackBytes = 256;

        private readonly byte[] _target = Encoding.UTF8.GetBytes(category);

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        /// <summary>Always: the factory's filter has checked the level before.</summary>
        public bool IsEnabled(LogLevel logLevel) => true;

        /// <remarks>
        /// A state that is IUtf8SpanFormattable is formatted on the stack: such a record allocates nothing, so a guest that
        /// causes it starts no collection on its vCPU thread. Any other state takes the formatter's string.
        /// </remarks>
        public void Log<TState>(
            LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (state is IUtf8SpanFormattable)
            {
                Span<byte> message = stackalloc byte[StackBytes];

                // A cast in the call itself is a constrained call: it boxes no value type.
                if (((IUtf8SpanFormattable)state).TryFormat(message, out int length, default, CultureInfo.InvariantCulture))
                {
                    provider.Deliver(LevelOf(logLevel), _target, message[..length]);
                    return;
                }
            }

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
