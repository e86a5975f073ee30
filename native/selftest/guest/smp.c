// SPDX-License-Identifier: Apache-2.0
#include "smp.h"

#include "boot_info.h"
#include "machine.h"

/* The page below 1 MiB that application processors start in; its number is the vector of the start-up IPI. */
#define TRAMPOLINE_PAGE 0x10
#define TRAMPOLINE ((char *)(TRAMPOLINE_PAGE * PAGE_SIZE))

#define APIC_SPURIOUS 0xfee000f0
#define APIC_SPURIOUS_ENABLED 0x1ff
#define APIC_COMMAND_LOW 0xfee00300
#define APIC_COMMAND_HIGH 0xfee00310
#define APIC_DELIVERY_PENDING 0x1000
#define APIC_INIT_ALL_BUT_SELF 0xc4500
#define APIC_STARTUP_ALL_BUT_SELF 0xc4600

extern const char ap_trampoline[], ap_trampoline_end[];
extern uint32_t cpu_ticket;

void application_processor(uint64_t cpu);

static void (*current_work)(uint64_t cpu);
static uint64_t arrived;
static uint64_t finished;
static bool released;

void smp_init(void)
{
	for (long i = 0; i < ap_trampoline_end - ap_trampoline; i++)
		TRAMPOLINE[i] = ap_trampoline[i];
	mmio_write32(APIC_SPURIOUS, APIC_SPURIOUS_ENABLED);
}

static void send(uint32_t command)
{
	mmio_write32(APIC_COMMAND_HIGH, 0);
	mmio_write32(APIC_COMMAND_LOW, command);
	while (mmio_read32(APIC_COMMAND_LOW) & APIC_DELIVERY_PENDING)
		relax();
}

/* Returns in the assembly's park(): the stack is dropped, the next start begins anew. */
void application_processor(uint64_t cpu)
{
	/* More vCPUs than the command line names are there: not needed. */
	if (cpu >= options.cpus)
		return;
	__atomic_add_fetch(&arrived, 1, __ATOMIC_ACQ_REL);
	while (!__atomic_load_n(&released, __ATOMIC_ACQUIRE))
		relax();
	current_work(cpu);
	__atomic_add_fetch(&finished, 1, __ATOMIC_ACQ_REL);
}

static bool wait_for(const uint64_t *counter, uint64_t value)
{
	uint64_t start = cycles();

	while (__atomic_load_n(counter, __ATOMIC_ACQUIRE) < value) {
		if (cycles() - start > PATIENCE_CYCLES)
			return false;
		relax();
	}
	return true;
}

bool run_on_all(void (*work)(uint64_t cpu))
{
	uint64_t others = options.cpus - 1;

	current_work = work;
	arrived = 0;
	finished = 0;
	__atomic_store_n(&cpu_ticket, 1, __ATOMIC_RELEASE);
	__atomic_store_n(&released, false, __ATOMIC_RELEASE);
	if (others) {
		send(APIC_INIT_ALL_BUT_SELF);
		send(APIC_STARTUP_ALL_BUT_SELF | TRAMPOLINE_PAGE);
		if (!wait_for(&arrived, others))
			return false;
	}
	__atomic_store_n(&released, true, __ATOMIC_RELEASE);
	work(0);
	return wait_for(&finished, others);
}
