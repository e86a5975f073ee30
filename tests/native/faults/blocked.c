// SPDX-License-Identifier: Apache-2.0
/* Callbacks that block: what must wait for them, and what must not. */
#define _GNU_SOURCE
#include "faults.h"

#include "tap.h"

#include <pthread.h>
#include <time.h>
#include <unistd.h>

/* Less than the alarm, more than a slow machine needs. */
#define PATIENCE_MS 20000
#define ALARM_SECONDS 60
/* How long a call must be seen not to return. */
#define BLOCKED_MS 100

static sem_t returned;

static bool comes(sem_t *event, unsigned int milliseconds)
{
	struct timespec end;

	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += milliseconds / 1000;
	end.tv_nsec += milliseconds % 1000 * 1000000L;
	if (end.tv_nsec >= 1000000000L) {
		end.tv_sec++;
		end.tv_nsec -= 1000000000L;
	}
	return !sem_clockwait(event, CLOCK_MONOTONIC, &end);
}

static void no_event_yet(void)
{
	sem_init(&callbacks.blocked, 0, 0);
	sem_init(&callbacks.go_on, 0, 0);
	sem_init(&returned, 0, 0);
}

static void *write_nonsense(void *argument)
{
	guest_command(argument, 0);
	return NULL;
}

struct removal {
	const char *name;
	void (*take_away)(struct guest *guest);
	struct guest *guest;
};

static void *take_away(void *argument)
{
	const struct removal *removal = argument;

	removal->take_away(removal->guest);
	sem_post(&returned);
	return NULL;
}

static void destroy(struct guest *guest)
{
	plugin.device_destroy(guest->device);
}

static void test_blocked_log(void)
{
	struct guest guest = guest_start("", 2);
	struct removal removal = { "device_destroy", destroy, &guest };
	pthread_t writer;
	pthread_t destroyer;

	no_event_yet();
	callbacks.log_blocks = true;
	pthread_create(&writer, NULL, write_nonsense, &guest);
	tap_check(comes(&callbacks.blocked, PATIENCE_MS), "Log_Blocks_InTheMiddleOfAnAccess");
	alarm(ALARM_SECONDS);
	tap_check(guest_is_well(&guest), "Log_Blocks_OtherRequestsGoOn");
	tap_check(plugin.unregister_memory(guest.device, GUEST_BASE + REGION_BYTES, REGION_BYTES) == MEMCTL_OK &&
		  plugin.device_reset(guest.device) == MEMCTL_OK && guest_connect(&guest, guest.buffer),
		  "Log_Blocks_UnregisterAndResetGoOn");
	pthread_create(&destroyer, NULL, take_away, &removal);
	tap_check(!comes(&returned, BLOCKED_MS), "Log_Blocks_DestroyWaitsForIt");
	callbacks.log_blocks = false;
	sem_post(&callbacks.go_on);
	tap_check(comes(&returned, PATIENCE_MS), "Log_GoesOn_DestroyReturns");
	alarm(0);
	pthread_join(writer, NULL);
	pthread_join(destroyer, NULL);
	guest_unmap(&guest);
}

static void reset_channels(struct guest *guest)
{
	guest_command(guest, COMMAND_RESET);
}

static void disconnect(struct guest *guest)
{
	guest_command(guest, COMMAND_DISCONNECT);
}

static void reset_device(struct guest *guest)
{
	plugin.device_reset(guest->device);
}

static void unregister(struct guest *guest)
{
	plugin.unregister_memory(guest->device, GUEST_BASE, REGION_BYTES);
}

static void inhibit(struct guest *guest)
{
	plugin.inhibit_discard(guest->device, 1);
}

static void *ask(void *argument)
{
	guest_ask(argument, CODE_INFO, 0, 0);
	return NULL;
}

/* The request has read its buffer's channel and region, and is about to touch the buffer. */
static void test_blocked_request(void)
{
	static const struct removal removals[] = {
		{ "RESET", reset_channels, NULL },   { "DISCONNECT", disconnect, NULL },
		{ "device_reset", reset_device, NULL }, { "unregister_memory", unregister, NULL },
		{ "inhibit_discard", inhibit, NULL },
	};

	for (unsigned int index = 0; index < sizeof(removals) / sizeof(removals[0]); index++) {
		struct guest guest = guest_start("", 1);
		struct removal removal = removals[index];
		pthread_t requester;
		pthread_t remover;
		size_t length;

		removal.guest = &guest;
		no_event_yet();
		alarm(ALARM_SECONDS);
		callbacks.copy_blocks = true;
		pthread_create(&requester, NULL, ask, &guest);
		tap_check(comes(&callbacks.blocked, PATIENCE_MS), "%s_ARequestIsInProgress", removal.name);
		callbacks.copy_blocks = false;
		tap_check(plugin.device_report(guest.device, NULL, 0, &length) == MEMCTL_BUFFER_TOO_SMALL,
			  "%s_WhileARequestIsInProgress_ReportDoesNotWait", removal.name);
		pthread_create(&remover, NULL, take_away, &removal);
		tap_check(!comes(&returned, BLOCKED_MS), "%s_WhileARequestIsInProgress_WaitsForIt", removal.name);
		sem_post(&callbacks.go_on);
		tap_check(comes(&returned, PATIENCE_MS), "%s_WhenTheRequestHasEnded_Returns", removal.name);
		alarm(0);
		pthread_join(requester, NULL);
		pthread_join(remover, NULL);
		guest_end(&guest);
	}
}

void test_blocked_callbacks(void)
{
	test_blocked_log();
	test_blocked_request();
}
