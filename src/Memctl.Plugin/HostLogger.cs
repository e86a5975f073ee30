using System.Text;
using Memctl.Plugin.Abi;
using Microsoft.Extensions.Logging;

namespace Memctl.Plugin;

/// <summary>Delivers log records to the VMM's callback, as UTF-8.</summary>
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

    /// <inheritdoc/>
    public ILogger CreateLogger(string categoryName) => new HostLogger(host, categoryName);

    /// <inheritdoc/>
    public void Dispose()
    {
        // Nothing is held.
    }

    private sealed class HostLogger(memctl_host host, string category) : ILogger
    {
        private readonly byte[] _target = Encoding.UTF8.GetBytes(category);

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        /// <summary>Always: the factory's filter has asked for the level before.</summary>
        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(
            LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            byte[] message = Encoding.UTF8.GetBytes(formatter(state, exception));
            fixed (byte* target = _target)
            fixed (byte* text = message)
            {
                host.log(host.context, LevelOf(logLevel), target, (nuint)_target.Length, text, (nuint)message.Length);
            }
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
