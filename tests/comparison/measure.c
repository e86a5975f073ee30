// SPDX-License-Identifier: GPL-2.0
/*
 * measure WAY GUESTS MIB -- VMM ARGUMENTS...
 *
 * Runs guests with the workload of guest/ and prints what their memory costs the
 * host, as CSV. WAY is how memory comes back: none, reporting or memctl leave that to
 * the guest; inflation asks the balloon for it and gives it back before the next use.
 * An "@" in an argument is replaced by the guest's number.
 *
 *   sample,WAY,GUESTS,SECONDS,RESIDENT_KIB                 each second, of all guests
 *   step,WAY,GUESTS,SECONDS,NAME                           what happened then
 *   burst,WAY,MMIO,BALLOON_INTERRUPTS,EXITS,INTERRUPTS,CPU_MSEC,BACK_MSEC,LEFT_KIB,FREED_KIB
 *   stall,WAY,USEC
 *
 * One guest: bursts and idles. A burst's figures are those of the 20 s after its
 * memory is freed, less those of 20 idle seconds; the balloon's interrupts are the
 * guest's own count of them, CPU is the VMM's own, the guest's left out. Then the
 * longest time for which a program of the guest did not run in the 20 s after a
 * burst. More guests: each bursts in turn.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../linux-guest/host/kvm.h"
#include "../linux-guest/host/vmm.h"

#define MAX_GUESTS 4
#define MAX_WORDS 64
#define WINDOW_MSEC 20000
#define SETTLE_MSEC 15000
#define HOLD_MSEC 4000
#define TURN_MSEC 15000
#define SAMPLE_MSEC 1000
#define POLL_MSEC 100
#define BOOT_MSEC 240000
#define BURSTS 2
#define ROUNDS 1
/* What a guest keeps for itself besides. */
#define TOLERANCE_KIB (32L << 10)

struct guest {
	struct vmm vmm;
	char socket[64];
	char line[128];
	size_t used;
};

struct counts {
	unsigned long mmio, all, interrupts;
	long cpu_msec;
};

static struct guest guests[MAX_GUESTS];
static int guest_count;
static const char *way;
static long mib, started_msec, sampled_msec;

static void fail(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	exit(1);
}

static long now_msec(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static long resident_kib(const struct guest *guest)
{
	char path[64];
	long pages = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/statm", guest->vmm.pid);
	file = fopen(path, "re");
	if (!file || fscanf(file, "%*d %ld", &pages) != 1)
		fail("a VMM has ended early");
	fclose(file);
	return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

/* Of the VMM itself: user and system time without the guest's. */
static long cpu_msec(const struct guest *guest)
{
	unsigned long user, system, in_guest;
	char path[64], text[1024] = "", *fields;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", guest->vmm.pid);
	file = fopen(path, "re");
	if (!file || !fgets(text, sizeof(text), file) || !(fields = strrchr(text, ')')) ||
	    sscanf(fields, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %*d %*d %*d %*d %*d %*d %*u %*u "
			   "%*d %*u %*u %*u %*u %*u %*u %*u %*u %*u %*u %*u %*u %*u %*d %*d %*u %*u %*u %lu",
		   &user, &system, &in_guest) != 3)
		fail("a VMM has ended early");
	fclose(file);
	return (long)(user + system - in_guest) * 1000 / sysconf(_SC_CLK_TCK);
}

static struct counts counts_of(const struct guest *guest)
{
	struct counts counts;
	char text[128];

	if (kvm_counts(guest->vmm.pid, text, sizeof(text)) ||
	    sscanf(text, "mmio=%lu all=%lu interrupts=%lu", &counts.mmio, &counts.all, &counts.interrupts) != 3)
		fail("KVM's counts can't be read: is debugfs mounted, and are we root?");
	counts.cpu_msec = cpu_msec(guest);
	return counts;
}

static void sample(void)
{
	long kib = 0;

	for (int i = 0; i < guest_count; i++)
		kib += resident_kib(&guests[i]);
	printf("sample,%s,%d,%.1f,%ld\n", way, guest_count, (now_msec() - started_msec) / 1000.0, kib);
	sampled_msec = now_msec();
}

static void step(const char *name)
{
	printf("step,%s,%d,%.1f,%s\n", way, guest_count, (now_msec() - started_msec) / 1000.0, name);
	fflush(stdout);
}

/* One line from the guest that begins with this; its other lines are passed over. */
static bool has_line(struct guest *guest, const char *wanted)
{
	char byte;

	while (poll(&(struct pollfd){ .fd = guest->vmm.from_guest, .events = POLLIN }, 1, 0) > 0) {
		if (read(guest->vmm.from_guest, &byte, 1) != 1)
			fail("a guest has ended early");
		if (byte != '\n' && byte != '\r' && guest->used < sizeof(guest->line) - 1) {
			guest->line[guest->used++] = byte;
			continue;
		}
		guest->line[guest->used] = '\0';
		guest->used = 0;
		if (!strncmp(guest->line, wanted, strlen(wanted)))
			return true;
		if (*guest->line)
			fprintf(stderr, "guest: %s\n", guest->line);
	}
	return false;
}

/* Lets time pass, with a sample each second, until the guest says so or it is over. */
static bool wait_for(struct guest *guest, const char *wanted, long msec)
{
	long end = now_msec() + msec;

	while (now_msec() < end) {
		if (wanted && has_line(guest, wanted))
			return true;
		if (started_msec && now_msec() - sampled_msec >= SAMPLE_MSEC)
			sample();
		poll(NULL, 0, POLL_MSEC);
	}
	return !wanted;
}

static void ask(struct guest *guest, const char *command)
{
	dprintf(guest->vmm.to_guest, "%s\n", command);
	if (!wait_for(guest, "ok", BOOT_MSEC))
		fail("a guest does not answer to \"%s\"", command);
}

/* Cloud Hypervisor's own call for the size of the balloon. */
static void resize_balloon(const struct guest *guest, long balloon_mib)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char body[64], reply[512] = "";
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", guest->socket);
	snprintf(body, sizeof(body), "{\"desired_balloon\":%ld}", balloon_mib << 20);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) ||
	    dprintf(fd, "PUT /api/v1/vm.resize HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
			"Content-Length: %zu\r\n\r\n%s", strlen(body), body) < 0 ||
	    read(fd, reply, sizeof(reply) - 1) <= 0 || !strstr(reply, " 204 "))
		fail("the VMM does not resize the balloon: %s", reply);
	close(fd);
}

static void burst(struct guest *guest)
{
	char command[32];

	if (!strcmp(way, "inflation")) {
		resize_balloon(guest, 0);
		wait_for(guest, NULL, HOLD_MSEC);
	}
	step("use");
	snprintf(command, sizeof(command), "fill %ld", mib);
	ask(guest, command);
	wait_for(guest, NULL, HOLD_MSEC);
}

static void release(struct guest *guest)
{
	step("free");
	ask(guest, "free");
	if (!strcmp(way, "inflation"))
		resize_balloon(guest, mib);
}

static long balloon_interrupts(struct guest *guest)
{
	dprintf(guest->vmm.to_guest, "interrupts\n");
	if (!wait_for(guest, "interrupts ", BOOT_MSEC))
		fail("a guest does not tell its interrupts");
	return atol(guest->line + strlen("interrupts "));
}

/* Milliseconds until no more than so much is resident, or -1; the whole window passes. */
static long wait_for_memory(struct guest *guest, long limit_kib)
{
	long start = now_msec(), back = -1;

	while (now_msec() - start < WINDOW_MSEC) {
		if (back < 0 && resident_kib(guest) <= limit_kib)
			back = now_msec() - start;
		wait_for(guest, NULL, POLL_MSEC);
	}
	return back;
}

static void one_guest(struct guest *guest)
{
	struct counts before, idle, after;
	long idle_kib, full_kib, back, left_kib, interrupts;

	before = counts_of(guest);
	wait_for(guest, NULL, WINDOW_MSEC);
	idle = counts_of(guest);
	idle_kib = resident_kib(guest);
	for (int i = 0; i < BURSTS; i++) {
		struct counts start;

		burst(guest);
		full_kib = resident_kib(guest);
		interrupts = balloon_interrupts(guest);
		start = counts_of(guest);
		release(guest);
		back = wait_for_memory(guest, idle_kib + TOLERANCE_KIB);
		after = counts_of(guest);
		left_kib = resident_kib(guest);
		printf("burst,%s,%ld,%ld,%ld,%ld,%ld,%ld,%ld,%ld\n", way,
		       (long)(after.mmio - start.mmio) - (long)(idle.mmio - before.mmio),
		       balloon_interrupts(guest) - interrupts,
		       (long)(after.all - start.all) - (long)(idle.all - before.all),
		       (long)(after.interrupts - start.interrupts) - (long)(idle.interrupts - before.interrupts),
		       (after.cpu_msec - start.cpu_msec) - (idle.cpu_msec - before.cpu_msec), back,
		       left_kib - idle_kib, full_kib - left_kib);
	}
	burst(guest);
	release(guest);
	dprintf(guest->vmm.to_guest, "stall %d\n", WINDOW_MSEC / 1000);
	if (!wait_for(guest, "stall ", 10 * WINDOW_MSEC))
		fail("a guest does not tell its longest stall");
	printf("stall,%s,%s\n", way, guest->line + strlen("stall "));
}

static void in_turns(void)
{
	for (int round = 0; round < ROUNDS; round++) {
		for (int i = 0; i < guest_count; i++) {
			burst(&guests[i]);
			release(&guests[i]);
			wait_for(&guests[i], NULL, TURN_MSEC);
		}
	}
}

/* The command of guest number i, with its API socket. */
static void start_guest(int i, char **arguments)
{
	static char texts[MAX_WORDS][1024];
	char *words[MAX_WORDS];
	int count = 0;

	snprintf(guests[i].socket, sizeof(guests[i].socket), "/tmp/measure-%d-%d", getpid(), i);
	for (; arguments[count] && count < MAX_WORDS - 3; count++) {
		const char *at = strchr(arguments[count], '@');

		if (at)
			snprintf(texts[count], sizeof(texts[count]), "%.*s%d%s", (int)(at - arguments[count]),
				 arguments[count], i, at + 1);
		words[count] = at ? texts[count] : arguments[count];
	}
	words[count++] = "--api-socket";
	snprintf(texts[count], sizeof(texts[count]), "path=%s", guests[i].socket);
	words[count] = texts[count];
	words[count + 1] = NULL;
	vmm_start(&guests[i].vmm, words);
}

int main(int argc, char **argv)
{
	int status, failed = 0;

	if (argc < 6 || strcmp(argv[4], "--") || atoi(argv[2]) < 1 || atoi(argv[2]) > MAX_GUESTS)
		fail("usage: measure WAY GUESTS MIB -- VMM ARGUMENTS...");
	signal(SIGPIPE, SIG_IGN);
	way = argv[1];
	guest_count = atoi(argv[2]);
	mib = atol(argv[3]);
	/* One after the other: emulated processors boot three at a time no faster. */
	for (int i = 0; i < guest_count; i++) {
		start_guest(i, argv + 5);
		if (!wait_for(&guests[i], "ready", BOOT_MSEC))
			fail("guest %d does not start", i);
	}
	wait_for(&guests[0], NULL, SETTLE_MSEC);
	started_msec = now_msec();
	sample();
	if (guest_count == 1)
		one_guest(&guests[0]);
	else
		in_turns();
	for (int i = 0; i < guest_count; i++) {
		dprintf(guests[i].vmm.to_guest, "off\n");
		waitpid(guests[i].vmm.pid, &status, 0);
		failed |= !WIFEXITED(status) || WEXITSTATUS(status);
		unlink(guests[i].socket);
	}
	return failed;
}
