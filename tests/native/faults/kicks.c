// SPDX-License-Identifier: Apache-2.0
/* A vCPU's kick, SIGRTMIN, around a thread's first call: a VMM that blocks it counts on KVM_RUN to return for it. */
#define _GNU_SOURCE
#include "faults.h"

#include "tap.h"

#include <pthread.h>
#include <signal.h>

static atomic_uint handled;

static void on_kick(int number)
{
	(void)number;
	handled++;
}

/* What a thread that has not called the library yet sees of its kick. */
struct kicked {
	bool blocks;
	bool is_kicked;
	bool pending;
	bool blocked;
	bool pending_later;
	unsigned int handled;
};

static bool is_pending(void)
{
	sigset_t set;

	sigpending(&set);
	return sigismember(&set, SIGRTMIN);
}

static void *start_vcpu(void *context)
{
	static const struct timespec now;
	struct kicked *kicked = context;
	sigset_t kick;
	sigset_t mask;

	sigemptyset(&kick);
	sigaddset(&kick, SIGRTMIN);
	pthread_sigmask(kicked->blocks ? SIG_BLOCK : SIG_UNBLOCK, &kick, NULL);
	if (kicked->is_kicked)
		pthread_kill(pthread_self(), SIGRTMIN);
	handled = 0;
	plugin.attach_thread();
	kicked->handled = handled;
	kicked->pending = is_pending();
	pthread_sigmask(SIG_BLOCK, NULL, &mask);
	kicked->blocked = sigismember(&mask, SIGRTMIN);
	/* As KVM_RUN takes it; then a second call. */
	sigtimedwait(&kick, NULL, &now);
	plugin.attach_thread();
	kicked->pending_later = is_pending();
	return NULL;
}

static struct kicked attach(bool blocks, bool is_kicked)
{
	struct kicked kicked = { .blocks = blocks, .is_kicked = is_kicked };
	pthread_t thread;

	pthread_create(&thread, NULL, start_vcpu, &kicked);
	pthread_join(thread, NULL);
	return kicked;
}

void test_kicks(void)
{
	struct sigaction action = { .sa_handler = on_kick };
	struct sigaction before;
	struct kicked kicked;

	sigaction(SIGRTMIN, &action, &before);
	kicked = attach(true, true);
	tap_check(kicked.pending && kicked.blocked, "Kick_PendingAtTheFirstCall_IsPendingAfterIt");
	tap_check(!kicked.pending_later, "Kick_AtALaterCall_IsNotRaisedAgain");
	kicked = attach(true, false);
	tap_check(kicked.blocked && !kicked.pending_later, "Kick_BlockedByTheVmm_StaysBlocked");
	kicked = attach(false, false);
	tap_check(!kicked.blocked && !kicked.pending && !kicked.handled, "Kick_NotBlocked_IsNotRaised");
	sigaction(SIGRTMIN, &before, NULL);
}
