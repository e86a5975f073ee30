using System.Net.Sockets;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace Memctl.Top.Reading;

/// <summary>
/// The HTTP API of a VMM, on its Unix socket. An answer is bounded in bytes and in time: the VMM need not be well.
/// </summary>
internal sealed class VmmApi : IDisposable
{
    /// <summary>As many devices as a process may have, each with the maximum of its report.</summary>
    private const int MaxAnswer = 8 * (8 << 20);

    /// <summary>How long a report waits for an answer; a screen, which a person looks at, waits less.</summary>
    internal static readonly TimeSpan LongPatience = TimeSpan.FromSeconds(30);

    private readonly HttpClient _client;
    private readonly string _socket;

    /// <summary>Connects on the first question.</summary>
    /// <param name="socket">Path of the Unix socket.</param>
    /// <param name="patience">How long to wait for an answer.</param>
    internal VmmApi(string socket, TimeSpan patience)
    {
        _socket = socket;
        var handler = new SocketsHttpHandler
        {
            ConnectCallback = async (_, cancellation) =>
            {
                var connection = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                try
                {
                    await connection.ConnectAsync(new UnixDomainSocketEndPoint(socket), cancellation).ConfigureAwait(false);
                    return new NetworkStream(connection, ownsSocket: true);
                }
                catch
                {
                    connection.Dispose();
                    throw;
                }
            },
            PooledConnectionIdleTimeout = TimeSpan.FromSeconds(30),
        };
        _client = new HttpClient(handler)
        {
            BaseAddress = new Uri("http://vmm/api/v1/"),
            MaxResponseContentBufferSize = MaxAnswer,
            Timeout = patience,
        };
    }

    /// <inheritdoc/>
    public void Dispose() => _client.Dispose();

    /// <summary>What every memctl device of the VM reports.</summary>
    /// <exception cref="UnseenException">The VMM does not answer, or not what this program reads.</exception>
    internal async Task<IReadOnlyList<DeviceAnswer>> ReportsAsync()
    {
        IReadOnlyList<DeviceAnswer> answers =
            await GetAsync("vm.memctl", AnswerJson.Default.IReadOnlyListDeviceAnswer).ConfigureAwait(false);
        return answers.FirstOrDefault(answer => answer.Report.Version != DeviceReport.KnownVersion) is { } other
            ? throw new UnseenException(
                $"the report of {other.Id} has version {other.Report.Version}, this program reads {DeviceReport.KnownVersion}")
            : answers;
    }

    /// <summary>The VMM's process.</summary>
    /// <exception cref="UnseenException">The VMM does not answer.</exception>
    internal async Task<int> ProcessIdAsync()
    {
        PingAnswer answer = await GetAsync("vmm.ping", AnswerJson.Default.PingAnswer).ConfigureAwait(false);
        return answer.Pid;
    }

    private async Task<T> GetAsync<T>(string name, JsonTypeInfo<T> type)
    {
        try
        {
            using HttpResponseMessage response = await _client.GetAsync(new Uri(name, UriKind.Relative)).ConfigureAwait(false);
            if (!response.IsSuccessStatusCode)
            {
                throw new UnseenException(
                    $"the VMM answers {(int)response.StatusCode} to {name}: is it one with a memctl device?");
            }

            byte[] body = await response.Content.ReadAsByteArrayAsync().ConfigureAwait(false);
            return JsonSerializer.Deserialize(body, type) ?? throw new UnseenException($"the VMM's answer to {name} is empty");
        }
        catch (Exception exception) when (exception is HttpRequestException or JsonException)
        {
            throw new UnseenException(File.Exists(_socket)
                ? $"the VMM's API at {_socket}: {(exception.InnerException ?? exception).Message}"
                : $"the VMM's API: there is no socket {_socket}");
        }
        catch (TaskCanceledException)
        {
            throw new UnseenException($"the VMM does not answer to {name} within {_client.Timeout.TotalSeconds:0} s");
        }
    }
}

/// <summary>Something can't be seen; the message is for the operator. The rest is shown all the same.</summary>
internal sealed class UnseenException(string message) : Exception(message);
