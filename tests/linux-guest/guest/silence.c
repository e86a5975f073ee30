// SPDX-License-Identifier: GPL-2.0
/* A device that answers no more, met through a file that was opened before. */
#include "test.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* Requests that the device can make before it falls silent, at most. */
#define PATIENCE 1000

/* Whether the ioctl fails with EIO and leaves the buffer as it was. */
static bool fails(int fd, uint64_t func_code)
{
	const struct memctl_buf made = { .call = { func_code, PAGE, 0, 0 } };
	struct memctl_buf buf;

	return request(fd, func_code, PAGE, 0, 0, &buf) == -EIO &&
	       !memcmp(&buf, &made, sizeof(buf));
}

int test_silence(void)
{
	int fd = open_device(0), answered = 0, error, wrong = 0;
	unsigned int code;

	if (!tap_check(fd >= 0, "root opens the device (%d)", fd))
		return 1;
	do
		error = request(fd, MEMCTL_DONTNEED, PAGE, 0, 0, NULL);
	while (!error && ++answered < PATIENCE);
	tap_check(answered > 0 && error == -EIO,
		  "the device answers %d requests, and the next is EIO (%d)", answered, error);
	for (code = MEMCTL_DONTNEED; code < MEMCTL_FUNC_CODES; code++)
		wrong += !fails(fd, code);
	tap_check(!wrong, "every function is EIO from then on, and no answer in its buffer (%d are not)",
		  wrong);
	/* Read as an answer, the request's own bytes would say success. */
	tap_check(fails(fd, 1ULL << 32), "so is a function code whose low half is 0");
	close(fd);
	return 0;
}
