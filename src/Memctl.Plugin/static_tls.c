// SPDX-License-Identifier: Apache-2.0
/*
 * Thread-local storage without a call. The runtime's own objects ask __tls_get_addr() where a thread's variables are: three
 * times in a request, and the first time in a thread it allocates, where a signal handler of the runtime's must not. One
 * access by the initial-exec model has the linker turn every other access to the same variable into such a one (GNU ld;
 * another linker leaves the calls, which also works). The library then needs 288 bytes of the room that the C library keeps
 * for libraries loaded later.
 */
#define INITIAL_EXEC __attribute__((tls_model("initial-exec")))

extern _Thread_local char tls_CurrentThread INITIAL_EXEC;
extern _Thread_local char tls_InlinedThreadStatics INITIAL_EXEC;

/* Never called. */
__attribute__((used, retain)) static const char *access_once(int which)
{
	return which ? &tls_CurrentThread : &tls_InlinedThreadStatics;
}
