/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The grace period of src/Memctl.Device/Channels/ChannelTable.cs, with what relies on it: requests
 * (MemctlDevice.Request, RequestProcessor, AttributePath) against RESET and reconnection (ForgetChannels) and against memory
 * that goes away (UnregisterMemory). run.sh has Spin explore every interleaving.
 *
 * Weak memory. A store that is no part of an atomic operation waits in a buffer, each variable in one of its own, and
 * reaches memory at any later moment and in any order; the processes at the end do that. An atomic operation (Interlocked)
 * empties its thread's buffers first. A store with release semantics, or a lock that is left, comes after the thread's
 * earlier stores. That is weaker than x86-64, which keeps the order of stores. Loads are not reordered: x86-64 does
 * not, and elsewhere Volatile.Read has acquire semantics.
 *
 * Each mutant (-D NAME) lacks one thing that the algorithm needs.
 */
#ifndef REQUESTS
#define REQUESTS 2
#endif
/* Connections, one after the other, all on the same channel objects; and memory maps. 0: none. */
#define LAST_CONNECTION 2
#define LAST_MAP 2

/* Processes are numbered as they are written: requests, control, connected, map (, epoch), answers (, increments). */
#ifdef NO_EXCHANGE_FENCE
#define FIRST_ANSWER (REQUESTS + 4)
#else
#define FIRST_ANSWER (REQUESTS + 3)
#endif

/* What is in memory. */
byte connected = 1;
bit epoch;
byte map;
/* ChannelState: Readers of each channel. */
byte readers[2 * REQUESTS];
/* GuestAttributes' lock around host calls. */
bit calls;

/* The control path's buffered stores. */
bit connected_waits, epoch_waits, map_waits;
byte connected_next, map_next;
bit epoch_next;
/* Buffered stores of requests: of an answer into its buffer, and of mutants. */
bit answer_waits[REQUESTS], increment_waits[REQUESTS];
byte answer_of[REQUESTS];
bit increment_at[REQUESTS];

/* What GuestAttributes' other lock guards: a host call is in progress; memory is not as registered. */
bit announced, is_set;

/* What must not be touched any more: the buffers of a connection, the memory of a map. */
bit freed[LAST_CONNECTION + 1], gone[LAST_MAP + 1];
/* Which map's memory a request has acted on whose answer has not reached memory; 0: none. */
byte owes[REQUESTS];
#ifdef LIVENESS
/* Whether control calls end has nothing to do with debts, and a control call that always waits for host calls ends last. */
#define OWE(me, what) skip
#define CALL(begins, leaves) skip
#define MUST_WAIT_FOR_CALL true
#else
#define OWE(me, what) owes[me] = what
#define CALL(begins, leaves) announced = begins; is_set = is_set || leaves
#define MUST_WAIT_FOR_CALL (announced || is_set)
#endif
/* A control call waits for requests. */
bit synchronizing;

/* Channel.ReadLock: Interlocked.Increment. */
#ifdef NO_INCREMENT_FENCE
#define READ_LOCK(me, e) atomic { !increment_waits[me] -> increment_at[me] = e; increment_waits[me] = 1 }
#else
#define READ_LOCK(me, e) atomic { !answer_waits[me] -> readers[2 * me + e]++ }
#endif

/* Channel.ReadUnlock: Interlocked.Decrement. */
#ifdef NO_DECREMENT_RELEASE
#define READ_UNLOCK(me, e) atomic { !increment_waits[me] -> readers[2 * me + e]-- }
#else
#define READ_UNLOCK(me, e) atomic { !answer_waits[me] && !increment_waits[me] -> readers[2 * me + e]-- }
#endif

/* A vCPU that makes one request after the other, each about memory or about attributes. */
active [REQUESTS] proctype Request()
{
	byte me = _pid;
	byte seen, at;
	bit e;

idle:
	seen = connected;
	if
	:: seen == 0 -> goto idle
	:: else
	fi;
	e = epoch;
	READ_LOCK(me, e);
#ifndef NO_CHECK_AFTER_LOCK
	if
	:: connected != seen -> READ_UNLOCK(me, e); goto idle
	:: else
	fi;
#endif
	/* The request is read from its buffer. */
	assert(!freed[seen]);
	if
	:: /* AdvicePath: a host call on memory, inside the section. */
		at = map;
		atomic { assert(!gone[at]); OWE(me, at + 1) }
	:: /* AttributePath: a host call on memory outside of it, under a lock. */
		READ_UNLOCK(me, e);
		atomic { !calls -> calls = 1 };
#ifndef NO_CHECK_UNDER_CALLS
		if
		:: connected != seen -> calls = 0; goto idle
		:: else
		fi;
#endif
		atomic { !answer_waits[me] -> CALL(1, 0) };
		at = map;
		atomic { assert(!gone[at]); OWE(me, at + 1) };
		if
		:: atomic { CALL(0, 1) }
		:: atomic { CALL(0, 0); OWE(me, 0) } /* It has changed nothing: its answer may come later. */
		fi;
		e = epoch;
		READ_LOCK(me, e);
		atomic { !answer_waits[me] -> calls = 0 }
	fi;
	atomic { !answer_waits[me]; answer_of[me] = seen; answer_waits[me] = 1 };
	READ_UNLOCK(me, e);
	goto idle
}

/* Interlocked.Exchange of the epoch. */
#ifdef NO_EXCHANGE_FENCE
#define EXCHANGE_EPOCH() atomic { !epoch_waits; epoch_next = 1 - old; epoch_waits = 1 }
#else
#define EXCHANGE_EPOCH() atomic { !connected_waits && !map_waits && !epoch_waits -> epoch = 1 - old }
#endif

#ifdef NO_EPOCHS
/* One count for all: wait until it is seen to be 0. */
#define WAIT(c) readers[2 * c] + readers[2 * c + 1] == 0
#else
#define WAIT(c) readers[2 * c + old] == 0
#endif

inline wait_for_old()
{
	old = own_epoch;
	own_epoch = 1 - old;
	EXCHANGE_EPOCH();
	WAIT(0);
	WAIT((REQUESTS - 1))
}

inline synchronize()
{
	synchronizing = 1;
	wait_for_old();
#ifndef ONE_ROUND
	wait_for_old();
#endif
	synchronizing = 0
}

/* The control path: takes memory away, and ends a connection and begins the next, in any order. */
active proctype Control()
{
	byte connection = 1, last_map = 0;
	bit own_epoch, old;

	do
	:: last_map < LAST_MAP -> /* UnregisterMemory: Publish, Revert, Synchronize; then the VMM unmaps. */
		atomic { !map_waits; map_next = last_map + 1; map_waits = 1 };
#ifdef SYNCHRONIZE_TOO_EARLY
		synchronize();
#endif
#ifndef NO_WAIT_IN_REVERT
#ifndef NO_EXCHANGE_FENCE
		atomic { !connected_waits && !map_waits };
#endif
		if
		:: MUST_WAIT_FOR_CALL -> atomic { !calls -> calls = 1 }; atomic { is_set = 0; calls = 0 }
		:: else
		fi;
#endif
#if !defined(SYNCHRONIZE_TOO_EARLY) && !defined(NO_SYNCHRONIZE)
		synchronize();
#endif
		assert(owes[0] != last_map + 1 && owes[REQUESTS - 1] != last_map + 1);
		gone[last_map] = 1;
		last_map++
	:: connection < LAST_CONNECTION -> /* ForgetChannels: Disconnect, WaitForChange, Forget; then Connect. */
		atomic { !connected_waits; connected_next = 0; connected_waits = 1 };
#ifndef NO_WAIT_FOR_CHANGE
		atomic { !calls && !connected_waits -> calls = 1 };
		calls = 0;
#endif
#ifndef NO_SYNCHRONIZE_IN_FORGET
		synchronize();
#endif
		freed[connection] = 1;
		connection++;
		atomic { !connected_waits; connected_next = connection; connected_waits = 1 }
	:: last_map == LAST_MAP && connection == LAST_CONNECTION -> break
	od
}

/* Memory: each buffered store reaches it some time. */
active proctype Connected() { do :: atomic { connected_waits -> connected = connected_next; connected_waits = 0 } od }
active proctype Map() { do :: atomic { map_waits -> map = map_next; map_waits = 0 } od }
#ifdef NO_EXCHANGE_FENCE
active proctype Epoch() { do :: atomic { epoch_waits -> epoch = epoch_next; epoch_waits = 0 } od }
#endif
active [REQUESTS] proctype Answer()
{
	byte me = _pid - FIRST_ANSWER;

	do :: atomic { answer_waits[me] -> assert(!freed[answer_of[me]]); answer_waits[me] = 0; OWE(me, 0) } od
}
#ifdef NO_INCREMENT_FENCE
active [REQUESTS] proctype Increment()
{
	byte me = _pid - FIRST_ANSWER - REQUESTS;

	do :: atomic { increment_waits[me] -> readers[2 * me + increment_at[me]]++; increment_waits[me] = 0 } od
}
#endif

ltl control_ends { [](synchronizing -> <>!synchronizing) }
