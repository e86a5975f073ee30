// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include "api.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static const char request[] = "GET /api/v1/vm.counters HTTP/1.1\r\nHost: localhost\r\n\r\n";

/* Whether a whole response is there. Its end is not that of the stream. */
static bool is_whole(const char *reply)
{
	const char *body = strstr(reply, "\r\n\r\n");
	const char *length = strstr(reply, "Content-Length: ");
	size_t wanted;

	return body && length && sscanf(length, "Content-Length: %zu", &wanted) == 1 &&
	       strlen(body + 4) >= wanted;
}

static int ask(const char *socket_path, char *reply, size_t size)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	size_t used = 0;
	ssize_t count;

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", socket_path);
	if (fd < 0)
		return -1;
	reply[0] = '\0';
	if (!connect(fd, (struct sockaddr *)&address, sizeof(address)) &&
	    write(fd, request, strlen(request)) == (ssize_t)strlen(request))
		while (!is_whole(reply) && (count = read(fd, reply + used, size - 1 - used)) > 0) {
			used += count;
			reply[used] = '\0';
		}
	close(fd);
	return is_whole(reply) ? 0 : -1;
}

int api_counter(const char *socket_path, const char *device, const char *counter,
		char *out, size_t size)
{
	static char reply[16384];
	char key[64];
	const char *found;
	unsigned long value;

	if (!socket_path || ask(socket_path, reply, sizeof(reply)))
		return -1;
	/* Without the first quote: Cloud Hypervisor's own names begin with "__". */
	snprintf(key, sizeof(key), "%s\":{", device);
	found = strstr(reply, key);
	if (!found)
		return -1;
	snprintf(key, sizeof(key), "\"%s\":", counter);
	found = strstr(found, key);
	if (!found || sscanf(found + strlen(key), "%lu", &value) != 1)
		return -1;
	snprintf(out, size, "%lu", value);
	return 0;
}
