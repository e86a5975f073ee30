using System.Globalization;
using System.Net.Sockets;
using System.Text;
using Memctl.Top.Reading;
using Memctl.Top.Views;

namespace Memctl.Top;

/// <summary>
/// Answers every HTTP request on a Unix socket with the last text. One client after the other, each with a limit of time and
/// bytes.
/// </summary>
internal sealed class MetricsServer : IDisposable
{
    private const int MaxRequest = 8192;

    private static readonly TimeSpan _patience = TimeSpan.FromSeconds(2);

    private readonly Socket _socket;
    private readonly string _path;
    private readonly CancellationTokenSource _ending = new();
    private volatile string _text = MetricsText.Of([]);

    private MetricsServer(Socket socket, string path) => (_socket, _path) = (socket, path);

    /// <summary>Starts to listen.</summary>
    /// <exception cref="UnseenException">The socket can't be made; as a rule it exists.</exception>
    internal static MetricsServer Listen(string path)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            socket.Bind(new UnixDomainSocketEndPoint(path));
            socket.Listen();
        }
        catch (SocketException exception)
        {
            socket.Dispose();
            throw new UnseenException($"can't listen at {path}: {exception.Message}");
        }

        var server = new MetricsServer(socket, path);
        _ = server.ServeAsync();
        return server;
    }

    /// <summary>Ends it and removes the socket.</summary>
    public void Dispose()
    {
        _ending.Cancel();
        _socket.Dispose();
        File.Delete(_path);
    }

    /// <summary>What clients get from now on.</summary>
    internal void Publish(string text) => _text = text;

    private async Task ServeAsync()
    {
        while (!_ending.IsCancellationRequested)
        {
            try
            {
                using Socket client = await _socket.AcceptAsync(_ending.Token).ConfigureAwait(false);
                using var limit = CancellationTokenSource.CreateLinkedTokenSource(_ending.Token);
                limit.CancelAfter(_patience);
                await AnswerAsync(client, limit.Token).ConfigureAwait(false);
            }
            catch (Exception exception)
                when (exception is OperationCanceledException or SocketException or ObjectDisposedException)
            {
                // A client that went, or was too slow; or the end.
            }
        }
    }

    private async Task AnswerAsync(Socket client, CancellationToken cancellation)
    {
        byte[] request = new byte[MaxRequest];
        int length = 0;
        while (!request.AsSpan(0, length).EndsWith("\r\n\r\n"u8))
        {
            int read = await client.ReceiveAsync(request.AsMemory(length), cancellation).ConfigureAwait(false);
            length += read;
            if (read == 0 || length == MaxRequest)
            {
                return;
            }
        }

        byte[] body = Encoding.UTF8.GetBytes(_text);
        string head = string.Create(CultureInfo.InvariantCulture,
            $"HTTP/1.1 200 OK\r\nContent-Type: {MetricsText.ContentType}\r\n" +
            $"Content-Length: {body.Length}\r\nConnection: close\r\n\r\n");
        await client.SendAsync((byte[])[.. Encoding.ASCII.GetBytes(head), .. body], cancellation).ConfigureAwait(false);
    }
}
