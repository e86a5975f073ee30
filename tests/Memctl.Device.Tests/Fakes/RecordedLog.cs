using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace Memctl.Device.Tests.Fakes;

/// <summary>Remembers log records, and does to whoever writes one what the test says.</summary>
internal sealed class RecordedLog : ILogger
{
    private readonly ConcurrentQueue<(int Id, string Text)> _records = new();

    /// <summary>Called after a record was kept; may throw or block.</summary>
    internal Action<int> OnRecord { get; set; } = _ => { };

    internal (int Id, string Text)[] Records => [.. _records];

    internal int CountOf(int id) => _records.Count(record => record.Id == id);

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(
        LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        _records.Enqueue((eventId.Id, formatter(state, exception)));
        OnRecord(eventId.Id);
    }
}
