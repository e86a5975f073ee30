// SPDX-License-Identifier: Apache-2.0
/*
 * A VMM and its guest in one process without KVM, for memctl-top to look at: the real library, real memory, and
 * GET vm.memctl on a Unix socket.
 *
 *   stand-in --api-socket path=SOCKET private|shared|folded MIB [OPTIONS]
 *
 * RAM is from 0 to 3 GiB, the rest from 4 GiB. Folded RAM is all resident without taking it: each 256 MiB of it are the same
 * pages. Commands on standard input, numbers in any base; each is answered with a line:
 *   touch ADDRESS LENGTH               the guest writes to each page
 *   ask CODE ADDRESS LENGTH ARGUMENT   a request; "ERRNO CODE"
 */
#define _GNU_SOURCE
#include "plugin.h"
#include "protocol.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define PAGE 4096ull
#define GIB (1ull << 30)
#define GAP_START (3 * GIB)
#define GAP_END (4 * GIB)
#define FOLD (256ull << 20)
#define MAX_REPORT (8u << 20)

static memctl_device *device;
static uint8_t *ram;
static int listener;
static char report[MAX_REPORT];

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static uint8_t *host_of(uint64_t address)
{
	return ram + (address < GAP_END ? address : address - (GAP_END - GAP_START));
}

static void map_folded(uint64_t bytes)
{
	int file = memfd_create("folded", 0);

	if (file < 0 || ftruncate(file, FOLD))
		die("memfd");
	for (uint64_t at = 0; at < bytes; at += FOLD)
		if (mmap(ram + at, FOLD, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED | MAP_POPULATE, file, 0) == MAP_FAILED)
			die("mmap");
}

static void map_ram(const char *backing, uint64_t bytes)
{
	int file = -1;
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;

	if (strcmp(backing, "shared") == 0) {
		file = memfd_create("ram", 0);
		flags = MAP_SHARED;
		if (file < 0 || ftruncate(file, bytes))
			die("memfd");
	}
	/* A gap before and behind: no other mapping of this process may be joined with it. */
	ram = mmap(NULL, bytes + 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (ram == MAP_FAILED)
		die("mmap");
	ram += PAGE;
	if (mmap(ram, bytes, PROT_READ | PROT_WRITE, flags | MAP_FIXED, file, 0) == MAP_FAILED || madvise(ram, bytes, MADV_NOHUGEPAGE))
		die("mmap");
	if (strcmp(backing, "folded") == 0)
		map_folded(bytes);
}

static void command(uint32_t code)
{
	uint32_t answer;

	plugin.mmio_write(device, REGISTER_COMMAND, (const uint8_t *)&code, sizeof(code));
	plugin.mmio_read(device, REGISTER_COMMAND, (uint8_t *)&answer, sizeof(answer));
	if (answer != COMMAND_ACK)
		die("a command of the transport");
}

static uint32_t connect_guest(void)
{
	uint64_t buffer = 0;
	uint32_t channel;

	command(COMMAND_RESET);
	plugin.mmio_write(device, REGISTER_PAYLOAD, (const uint8_t *)&buffer, sizeof(buffer));
	command(COMMAND_REGISTER);
	plugin.mmio_read(device, REGISTER_PAYLOAD, (uint8_t *)&channel, sizeof(channel));
	command(COMMAND_READY);
	return channel;
}

static void send_all(int client, const char *bytes, size_t length)
{
	for (size_t done = 0; done < length;) {
		ssize_t part = send(client, bytes + done, length - done, MSG_NOSIGNAL);

		if (part <= 0)
			return;
		done += part;
	}
}

static void answer(int client, const char *before, const char *body, size_t length, const char *behind)
{
	dprintf(client, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s",
		strlen(before) + length + strlen(behind), before);
	send_all(client, body, length);
	send_all(client, behind, strlen(behind));
}

static void *serve(void *unused)
{
	static const char ping[] = "GET /api/v1/vmm.ping ";

	(void)unused;
	for (;;) {
		int client = accept(listener, NULL, NULL);
		char request[4096] = "";
		size_t length;

		if (client < 0 || read(client, request, sizeof(request) - 1) <= 0)
			continue;
		if (strncmp(request, ping, strlen(ping)) == 0) {
			length = snprintf(report, sizeof(report), "{\"version\":\"0\",\"pid\":%d}", getpid());
			answer(client, "", report, length, "");
		} else if (plugin.device_report(device, report, sizeof(report), &length) == MEMCTL_OK) {
			answer(client, "[{\"id\":\"memctl\",\"report\":", report, length, "}]");
		} else {
			die("device_report");
		}
		close(client);
	}
	return NULL;
}

static void listen_at(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	pthread_t thread;

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof(address)) || listen(listener, 8))
		die(path);
	if (pthread_create(&thread, NULL, serve, NULL))
		die("thread");
}

static void run(uint32_t channel)
{
	char line[256];

	while (fgets(line, sizeof(line), stdin)) {
		uint64_t code, address, length, argument;
		uint64_t *buffer = (uint64_t *)(void *)ram;

		if (sscanf(line, "touch %" SCNi64 " %" SCNi64, (int64_t *)&address, (int64_t *)&length) == 2) {
			for (uint64_t at = 0; at < length; at += PAGE)
				*(volatile uint8_t *)host_of(address + at) = 1;
			puts("ok");
		} else if (sscanf(line, "ask %" SCNi64 " %" SCNi64 " %" SCNi64 " %" SCNi64, (int64_t *)&code, (int64_t *)&address,
				  (int64_t *)&length, (int64_t *)&argument) == 4) {
			buffer[0] = code;
			buffer[1] = address;
			buffer[2] = length;
			buffer[3] = argument;
			plugin.mmio_write(device, REGISTER_COMMAND, (const uint8_t *)&channel, sizeof(channel));
			printf("%u %u\n", (uint32_t)buffer[0], (uint32_t)(buffer[0] >> 32));
		} else {
			puts("what?");
		}
		fflush(stdout);
	}
}

int main(int argc, char **argv)
{
	struct memctl_host host = { .size = sizeof(host), .abi_version = MEMCTL_ABI_VERSION };
	uint64_t bytes, low;

	if (argc < 5 || strncmp(argv[2], "path=", 5) != 0) {
		fprintf(stderr, "usage: stand-in --api-socket path=SOCKET private|shared|folded MIB [OPTIONS]\n");
		return 2;
	}
	plugin_load();
	bytes = strtoull(argv[4], NULL, 0) << 20;
	low = bytes < GAP_START ? bytes : GAP_START;
	device = plugin_create(&host, argc > 5 ? argv[5] : "");
	map_ram(argv[3], bytes);
	if (plugin_register(device, 0, low, ram) != MEMCTL_OK ||
	    (bytes > low && plugin_register(device, GAP_END, bytes - low, ram + low) != MEMCTL_OK))
		die("register_memory");
	listen_at(argv[2] + 5);
	puts("ready");
	fflush(stdout);
	run(connect_guest());
	unlink(argv[2] + 5);
	return 0;
}
