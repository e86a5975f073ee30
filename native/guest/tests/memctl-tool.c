// SPDX-License-Identifier: GPL-2.0
/*
 * The memctl command on memory of this process.
 *
 *   memctl-tool COMMAND     COMMAND is the path of memctl
 */
#include <signal.h>
#include <stdarg.h>
#include <sys/wait.h>

#include "memory.h"

#define OUTPUT_BYTES	4096

static const char *tool;
static char output[OUTPUT_BYTES];

/* Runs the command with what it prints in output[]; returns its exit status. */
__attribute__((format(printf, 1, 2)))
static int run(const char *format, ...)
{
	char command[512];
	va_list arguments;
	size_t length, used;
	FILE *pipe;
	int status;

	used = (size_t)snprintf(command, sizeof(command), "%s ", tool);
	va_start(arguments, format);
	used += (size_t)vsnprintf(command + used, sizeof(command) - used, format, arguments);
	va_end(arguments);
	snprintf(command + used, sizeof(command) - used, " 2>&1");

	pipe = popen(command, "r");
	if (!pipe)
		tap_bail_out("popen: %s", strerror(errno));
	length = fread(output, 1, sizeof(output) - 1, pipe);
	output[length] = '\0';
	status = pclose(pipe);
	/* A TAP description is one line. */
	if (length && output[length - 1] == '\n')
		output[length - 1] = '\0';
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static bool says(const char *text)
{
	return strstr(output, text);
}

/* The number behind "key": in output[], or all ones. */
static uint64_t json_number(const char *key)
{
	char quoted[64];
	const char *at;

	snprintf(quoted, sizeof(quoted), "\"%s\":", key);
	at = strstr(output, quoted);
	return at ? strtoull(at + strlen(quoted), NULL, 10) : UINT64_MAX;
}

static void test_info(void)
{
	tap_check(run("info") == 0 && says("protocol version   1."), "info as text");
	tap_check(run("info --json") == 0 && json_number("major_version") == 1 &&
	   json_number("page_size") >= 4096, "info as JSON");
}

static void test_usage(void)
{
	static const char * const wrong[] = {
		"", "nonsense", "info --range 0+4K", "free", "free --range", "free --range 5",
		"free --range 8K-4K", "free --range x+4K", "free --range 0xffffffffffffffff+2",
		"free --range 0+99999999999999999999", "free --range 0+16777216T",
		"protect --range 0+4K", "protect rwx --range 0+4K", "name --range 0+4K",
		"name x --range 0+4K", "free --pid 0 --range 0+4K", "free --pid -1 --range 0+4K",
		"free --chunk 1 --range 0+4K", "free again --range 0+4K",
		"nodump --pid 1 --range 0+4K", "unmergeable --pid 1 --range 0+4K",
		"unlock --pid 1 --range 0+4K", "protect rw --pid 1 --range 0+4K",
		"name 0 --pid 1 --range 0+4K", "lock --range 0+4K -- true",
		"free --pid 1 --range 0+4K -- true", "lock --pid 1 --range 0+4K --",
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		tap_check(run("%s", wrong[i]) == 2 && says("usage:"), "usage: \"%s\"", wrong[i]);
}

static void test_errors(void)
{
	tap_check(run("lock --range 0x8000000000000+4K") == 1 && says("Invalid argument") &&
	   says("0x8000000000000+0x1000"), "a range outside RAM is refused");
	tap_check(run("lock --range 0x1001+4K") == 1 && says("Invalid argument"),
	   "an unaligned range is refused");
	tap_check(run("lock --json --range 0x1001+4K") == 1 && json_number("errno") == EINVAL &&
	   json_number("addr") == 0x1001 && json_number("requests") == 0, "and in JSON");
	tap_check(run("free --pid %d --range 1+4K", (int)getpid()) == 1 && says("Invalid argument"),
	   "an unaligned range of a process is refused");
	tap_check(run("free --pid 2147483647 --range 0+4K") == 1 && says("No such process"),
	   "a process that does not exist is named");
}

/* Discards half of what we have by address; what others see stays. */
static void test_process(void)
{
	char *memory = map_memory(2 * HUGE_PAGE);
	char *shared = mmap(NULL, HUGE_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			    -1, 0);
	uint64_t half = (uintptr_t)memory + HUGE_PAGE;
	int pid = (int)getpid(), status;

	if (shared == MAP_FAILED)
		tap_bail_out("mmap: %s", strerror(errno));
	pattern_fill(memory, 2 * HUGE_PAGE, 1);
	pattern_fill(shared, HUGE_PAGE, 2);

	/* One of the two frees, whatever the host has behind us. */
	status = run("remove --json --pid %d --range %#llx+2M", pid, (unsigned long long)half);
	if (status)
		status = run("free --json --pid %d --range %#llx+2M", pid,
			     (unsigned long long)half);
	tap_check(!status && json_number("bytes") == HUGE_PAGE, "2 MiB of a process are freed: %s",
	   output);
	tap_check(json_number("requests") == 1, "in one request");
	tap_check(all_zero(memory, HUGE_PAGE, 2 * HUGE_PAGE), "and read as zero");
	tap_check(pattern_intact(memory, 0, HUGE_PAGE, 1), "the 2 MiB before them are intact");

	status = run("free --json --pid %d --range %#llx+2M", pid,
		     (unsigned long long)(uintptr_t)shared);
	tap_check(!status && json_number("bytes") == 0 && json_number("shared_bytes") == HUGE_PAGE &&
	   pattern_intact(shared, 0, HUGE_PAGE, 2), "shared memory is passed over");

	munmap(shared, HUGE_PAGE);
	status = run("free --json --pid %d --range %#llx+2M", pid,
		     (unsigned long long)(uintptr_t)shared);
	tap_check(!status && json_number("bytes") == 0 && json_number("absent_bytes") == HUGE_PAGE,
	   "addresses without memory are passed over");

	status = run("free --json --chunk 64K --pid %d --range %#llx+1M", pid,
		     (unsigned long long)half);
	tap_check(!status && json_number("requests") == 16 && json_number("bytes") == 1 << 20,
	   "chunks: %s", output);
}

/* Every other page of a process, in one request for each 256 of them. */
static void test_fragmented(void)
{
	const size_t pages = 2 * MEMCTL_LIST_RANGES;
	char *memory = mmap(NULL, 2 * pages * 4096, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int status;

	if (memory == MAP_FAILED || madvise(memory, 2 * pages * 4096, MADV_NOHUGEPAGE))
		tap_bail_out("mmap: %s", strerror(errno));
	for (size_t i = 0; i < pages; i++)
		pattern_fill(memory + 2 * i * 4096, 4096, 1);
	status = run("free --json --pid %d --range %#llx+%zu", (int)getpid(),
		     (unsigned long long)(uintptr_t)memory, 2 * pages * 4096);
	tap_check(!status && json_number("requests") == 2 && json_number("bytes") == pages * 4096 &&
	   json_number("absent_bytes") == pages * 4096, "a fragmented process: %s", output);
	munmap(memory, 2 * pages * 4096);
}

/* Without a command it lasts until a signal comes; the line it prints is the sign. */
static void test_interrupted(const char *memory)
{
	char pid[16], range[64], line[80] = "";
	int out[2], status;
	FILE *lines;
	pid_t child;

	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	snprintf(range, sizeof(range), "%#llx+64K", (unsigned long long)(uintptr_t)memory);
	if (pipe(out))
		tap_bail_out("pipe: %s", strerror(errno));
	child = fork();
	if (!child) {
		dup2(out[1], STDOUT_FILENO);
		close(out[0]);
		execl(tool, tool, "protect", "r", "--pid", pid, "--range", range, (char *)NULL);
		_exit(255);
	}
	close(out[1]);
	lines = fdopen(out[0], "r");
	tap_check(lines && fgets(line, sizeof(line), lines) && strstr(line, "64 KiB"),
	   "without a command it says that it is in force");
	tap_check(run("protect r --pid %s --range %s -- true", pid, range) == 1, "and stays so");
	kill(child, SIGTERM);
	tap_check(waitpid(child, &status, 0) == child && !status, "until a signal comes");
	tap_check(run("protect r --pid %s --range %s -- true", pid, range) == 0, "which reverts it");
	fclose(lines);
}

/* What lasts, lasts as long as the command that memctl runs meanwhile. */
static void test_lasting(void)
{
	char *memory = map_memory(HUGE_PAGE);
	unsigned long long at = (uintptr_t)memory;
	int pid = (int)getpid(), status;

	pattern_fill(memory, HUGE_PAGE, 6);
	status = run("protect r --pid %d --range %#llx+64K -- sh -c 'echo meanwhile; "
		     "%s protect r --pid %d --range %#llx+4K -- true; exit 7'", pid, at, tool, pid, at);
	tap_check(status == 7 && says("protect: 64 KiB in 1 request") && says("meanwhile"),
	   "protect runs a command and ends with its status");
	tap_check(says("another program holds this memory"), "meanwhile the memory is held");
	pattern_fill(memory, HUGE_PAGE, 7);
	tap_check(pattern_intact(memory, 0, HUGE_PAGE, 7), "afterwards it can be written");
	tap_check(run("protect r --pid %d --range %#llx+64K -- /nonexistent", pid, at) == 127,
	   "a command that can't be run is 127");
	pattern_fill(memory, HUGE_PAGE, 8);
	tap_check(run("protect none --pid %d --range %#llx+64K -- true", pid, at) == 1 &&
	   says("MADV_DONTFORK"), "memory that a fork would read is not made inaccessible");
	status = run("lock --pid %d --range %#llx+64K -- true", pid, at);
	tap_check(!status || says("Cannot allocate memory"), "lock");

	test_interrupted(memory);
	munmap(memory, HUGE_PAGE);
}

int main(int argc, char **argv)
{
	if (argc != 2)
		tap_bail_out("usage: memctl-tool COMMAND");
	tool = argv[1];

	test_info();
	test_usage();
	test_errors();
	test_process();
	test_fragmented();
	test_lasting();
	return tap_finish() ? EXIT_SUCCESS : EXIT_FAILURE;
}
