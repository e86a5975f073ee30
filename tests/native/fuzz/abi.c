// SPDX-License-Identifier: Apache-2.0
/*
 * Wrong arguments of the C ABI: null, short, misaligned and oversized, handles that are invented or were destroyed, from two
 * threads. A call with something wrong returns a status that names it, one with nothing wrong succeeds; what it writes ends
 * at the caller's length: buffers lie against an inaccessible page.
 */
#define _GNU_SOURCE
#include "abi.h"
#include "guest_copy.h"
#include "plugin.h"

#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

#define MAX_CALLS 64u

struct handle handles[HANDLES];
uint8_t *memory;
uint8_t *edge;
struct input *calls;
static pthread_barrier_t barrier;

memctl_device *take_handle(uint32_t *allowed)
{
	uint8_t choice = take(calls);

	if (choice & 0x80) {
		uint64_t invented = choice & 0x40 ? take_bytes(calls, 8) : choice & 3;
		memctl_device *device;

		memcpy(&device, &invented, sizeof(device));
		for (unsigned int index = 0; index < HANDLES; index++) {
			if (handles[index].live && handles[index].device == device)
				return device;
		}
		*allowed |= ALLOW(MEMCTL_INVALID_HANDLE);
		return device;
	}
	if (!handles[choice % HANDLES].live)
		*allowed |= ALLOW(MEMCTL_INVALID_HANDLE);
	return handles[choice % HANDLES].device;
}

void judge(const char *call, memctl_status status, uint32_t wrong, uint32_t right)
{
	char message[64];
	size_t length;

	observe((uint64_t)call[0] << 32 | (uint64_t)call[7] << 24 | status << 16 | (wrong & 0xffff));
	if (!((wrong ? wrong : right) & ALLOW(status)))
		finding("%s returned %u; allowed were %#x", call, status, wrong ? wrong : right);
	if (status == MEMCTL_INTERNAL_ERROR)
		finding("%s found a defect in the library", call);
	if (status == MEMCTL_OK || status == MEMCTL_IGNORED_ACCESS)
		return;
	memset(message, 'x', sizeof(message));
	length = plugin.last_error(message, sizeof(message));
	if (!length || message[length < sizeof(message) ? length : sizeof(message) - 1])
		finding("%s: status %u has no message", call, status);
}

static void call(uint8_t which)
{
	switch ((which & 0x60) == 0x60 ? 16 + (which & 7) : which & 15) {
	case 0:
	case 1:
		call_create();
		break;
	case 2:
		call_destroy();
		break;
	case 3:
	case 4:
		call_register_region();
		break;
	case 5:
		call_unregister_region();
		break;
	case 6:
		call_access_registers(false);
		break;
	case 7:
	case 8:
		call_access_registers(true);
		break;
	case 9:
	case 10:
	case 11:
		call_set_switch((which & 15) - 9);
		break;
	case 12:
		call_save();
		break;
	case 13:
		call_restore();
		break;
	case 14:
		call_statistics();
		break;
	case 16:
		call_register_blocks();
		break;
	case 17:
	case 18:
		call_change_blocks((which & 7) == 1);
		break;
	case 19:
		call_attributes();
		break;
	case 20:
		call_identity();
		break;
	case 21:
		call_check();
		break;
	case 22:
		plugin.attach_thread();
		break;
	case 23:
		call_report();
		break;
	default:
		call_message();
	}
}

static uint8_t elsewhere;

static void *other_thread(void *unused)
{
	(void)unused;
	for (;;) {
		pthread_barrier_wait(&barrier);
		call(elsewhere);
		pthread_barrier_wait(&barrier);
	}
	return NULL;
}

static void start(void)
{
	pthread_t thread;

	plugin_load();
	guest_copy_install();
	memory = mmap(NULL, 3 * AREA, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED || mprotect(memory + 2 * AREA, AREA, PROT_NONE))
		finding("no memory");
	edge = memory + 2 * AREA;
	if (pthread_barrier_init(&barrier, NULL, 2) || pthread_create(&thread, NULL, other_thread, NULL))
		finding("no second thread");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = { data, data + size };

	if (!memory)
		start();
	calls = &input;
	memset(handles, 0, sizeof(handles));
	for (unsigned int count = 0; input.next < input.end && count < MAX_CALLS; count++) {
		elsewhere = take(&input);
		if (elsewhere & 0x80) {
			pthread_barrier_wait(&barrier);
			pthread_barrier_wait(&barrier);
		} else {
			call(elsewhere);
		}
	}
	for (unsigned int index = 0; index < HANDLES; index++) {
		if (handles[index].live && plugin.device_destroy(handles[index].device) != MEMCTL_OK)
			finding("device_destroy failed at the end");
	}
	return 0;
}
