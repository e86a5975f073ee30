using System.Net;
using System.Reflection;

namespace Memctl.Top.Views;

/// <summary>Text and files of this program as parts of a page.</summary>
internal static class Markup
{
    /// <summary>Text with the characters that mean something in HTML and XML replaced.</summary>
    internal static string Escape(string text) => WebUtility.HtmlEncode(text);

    /// <summary>A file that the program was built with.</summary>
    internal static string Resource(string name)
    {
        using Stream stream = Assembly.GetExecutingAssembly().GetManifestResourceStream(name)
            ?? throw new InvalidOperationException($"The program was built without {name}.");
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }
}
