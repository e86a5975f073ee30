/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the host shows of a guest's memory: the VMM's smaps, pagemap and
 * backing file, read from outside while the guest runs. Nothing here asks
 * the VMM or the device, so it holds for any VMM.
 */
#ifndef PROBE_H
#define PROBE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * Guest RAM as mapped in a VMM: guest-physical start .. end. Of a guest with RAM
 * on both sides of the hole below 4 GiB this is one side.
 */
struct guest_ram {
	pid_t vmm;
	uint64_t base;	/* host-virtual address, less the guest-physical one */
	uint64_t start, end;
};

#define SIGNATURE_BYTES 32

/*
 * Find the host page that starts with the signature, which the guest wrote
 * to the page at gpa, and fill ram from it. Returns the number of pages with
 * it: anything but 1 leaves the guest's memory unknown.
 */
int probe_locate(struct guest_ram *ram, pid_t vmm, uint64_t gpa, uint64_t start,
		 uint64_t end, const uint8_t signature[SIGNATURE_BYTES]);

/*
 * All functions below write one line of text to out and return 0, or -1 where
 * the range is not guest RAM or the kernel does not tell. Ranges are given in
 * guest-physical bytes, answers are run-length coded ("100*p 1*. 411*p") with
 * one run for neighbours that are alike, counted in pages of unit bytes.
 */

/* p present, l present and lazily freed, s swapped out, . not mapped */
int probe_pages(const struct guest_ram *ram, uint64_t gpa, uint64_t length,
		uint64_t unit, char *out, size_t size);

/* rw-p as in smaps; then L if locked, D if not dumped, M if mergeable */
int probe_attributes(const struct guest_ram *ram, uint64_t gpa, uint64_t length,
		     uint64_t unit, char *out, size_t size);

/* the anonymous name of the mapping at gpa, or - */
int probe_name(const struct guest_ram *ram, uint64_t gpa, char *out, size_t size);

/*
 * KiB of host memory behind guest RAM: resident in the VMM, and allocated
 * (pages of a shared file count although nobody maps them).
 */
int probe_usage(const struct guest_ram *ram, char *out, size_t size);

/* private|shared|hugetlb-private|hugetlb-shared */
int probe_backing(const struct guest_ram *ram, char *out, size_t size);

/*
 * What this host's kernel has: "name_private=ERRNO name_shared=ERRNO
 * name_hugetlb=ERRNO swap=0|1", the first three being its answers to a name on
 * memory of that kind.
 */
int probe_features(char *out, size_t size);

#endif
