namespace Memctl.Schedules;

/// <summary>
/// Every way through a tree of choices, one after the other, depth first: the same choices are taken again up to the last that
/// has an alternative left.
/// </summary>
internal sealed class Choices
{
    private readonly List<(int Taken, int Of)> _made = [];
    private int _next;

    /// <summary>Chooses among so many alternatives, 0 first.</summary>
    internal int Take(int of)
    {
        if (_next == _made.Count)
        {
            _made.Add((0, of));
        }

        (int taken, int before) = _made[_next++];
        return of == before
            ? taken
            : throw new InvalidOperationException($"A run had {before} alternatives at choice {_next} and has {of} now: it is not the same.");
    }

    /// <summary>Goes back to the start, for the next way; false if there is none.</summary>
    internal bool Advance()
    {
        _next = 0;
        while (_made.Count > 0)
        {
            (int taken, int of) = _made[^1];
            _made.RemoveAt(_made.Count - 1);
            if (taken + 1 < of)
            {
                _made.Add((taken + 1, of));
                return true;
            }
        }

        return false;
    }
}
