// SPDX-License-Identifier: GPL-2.0
/* How the device answers requests. For guests with one vCPU: there is no lock. */
#define _GNU_SOURCE
#include "device.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "../guest/protocol.h"

#define ALL (~0U)
#define UNKNOWN_FUNCTION 1

struct conduct {
	unsigned int answers;	/* requests of a connection that are answered */
	bool mute;		/* transport commands are not */
	bool lists;		/* takes lists of ranges */
	struct memctl_buf info;	/* the answer to INFO */
};

#define INFO_OF(minor) .info.info = { .major_version = 1, .minor_version = (minor), .page_size = 4096 }

/* Counted by RESETs, the last one for good. */
static const struct conduct conducts[] = {
	{ ALL, INFO_OF(0) },	/* no connection yet */
	{ 10, INFO_OF(0) },
	{ 0 },
	{ 0, .mute = true },
	{ ALL, .info.info = { .ret_errno = EOPNOTSUPP, .major_version = 1, .page_size = 4096 } },
	{ ALL, .info.info = { .major_version = 2, .page_size = 4096 } },
	/* As in the dialect pvmemcontrol. */
	{ ALL, .info.ret = { .ret_value = 4096, .arg0 = 1 } },
	/* Sound devices: of protocol 1.0; the same behind the INFO of another, as after a move; of 1.1. */
	{ ALL, INFO_OF(0) },
	{ ALL, INFO_OF(1) },
	{ ALL, .lists = true, INFO_OF(1) },
};

#define LAST_CONDUCT (sizeof(conducts) / sizeof(conducts[0]) - 1)

uint8_t *host_address(const struct memctl_device *device, uint64_t guest_address, uint64_t length)
{
	int i;

	for (i = 0; i < MAX_REGIONS; i++) {
		const struct memctl_region *region = &device->regions[i];
		uint64_t offset = guest_address - region->guest_address;

		if (guest_address >= region->guest_address && offset < region->length &&
		    length <= region->length - offset)
			return (uint8_t *)region->host_address + offset;
	}
	return NULL;
}

void next_conduct(struct memctl_device *device)
{
	if (device->moves)
		device->conduct = LAST_CONDUCT;
	else
		device->conduct += device->conduct < LAST_CONDUCT;
	device->answered = 0;
}

bool is_mute(const struct memctl_device *device)
{
	return conducts[device->conduct].mute;
}

/*
 * A function on a range: the errno. The memory is the host's shared one. Until the
 * guest names a range it is made to look private: DONTNEED frees, REMOVE is refused.
 */
static uint32_t carry_out(struct memctl_device *device, uint64_t func_code, const struct memctl_range *range)
{
	uint8_t *place = host_address(device, range->addr, range->length);
	int advice = MADV_REMOVE;

	if (!place)
		return EINVAL;
	if (!device->moves)
		return 0;
	if (func_code == MEMCTL_SET_VMA_ANON_NAME)
		device->moved = true;
	if (func_code == MEMCTL_REMOVE && !device->moved)
		return EINVAL;
	if (func_code == MEMCTL_DONTNEED && device->moved)
		advice = MADV_DONTNEED;
	if (func_code != MEMCTL_REMOVE && func_code != MEMCTL_DONTNEED)
		return 0;
	return madvise(place, range->length, advice) ? errno : 0;
}

static struct memctl_buf answer_list(struct memctl_device *device, const struct memctl_buf *call)
{
	const struct memctl_range *list =
		(const struct memctl_range *)host_address(device, call->call.addr, call->call.length);
	struct memctl_buf answer = { .ret.ret_errno = list ? 0 : EINVAL };
	uint64_t count = call->call.length / sizeof(*list);

	device->lists++;
	while (!answer.ret.ret_errno && answer.ret.ret_value < count) {
		answer.ret.ret_errno = carry_out(device, call->call.func_code & ~MEMCTL_LIST,
						 &list[answer.ret.ret_value]);
		answer.ret.ret_value += !answer.ret.ret_errno;
	}
	return answer;
}

void request(struct memctl_device *device, uint32_t channel)
{
	const struct conduct *conduct = &conducts[device->conduct];
	struct memctl_buf buf, answer = { 0 };
	uint8_t *place;

	if (channel >= device->channels || device->answered >= conduct->answers)
		return;
	place = host_address(device, device->buffers[channel], sizeof(buf));
	memcpy(&buf, place, sizeof(buf));
	if (buf.call.func_code == MEMCTL_INFO) {
		answer = conduct->info;
	} else if (!(buf.call.func_code & MEMCTL_LIST)) {
		device->singles++;
		answer.ret.ret_errno = carry_out(device, buf.call.func_code,
						 &(struct memctl_range){ buf.call.addr, buf.call.length });
	} else if (conduct->lists) {
		answer = answer_list(device, &buf);
	} else {
		device->lists++;
		answer.ret.ret_errno = EOPNOTSUPP;
		answer.ret.ret_code = UNKNOWN_FUNCTION;
	}
	memcpy(place, &answer, sizeof(answer));
	device->answered++;
}
