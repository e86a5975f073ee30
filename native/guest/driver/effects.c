// SPDX-License-Identifier: GPL-2.0
/* memctl functions that outlast a request, and those that revert them */
#include <linux/types.h>

#include "memctl_device.h"

/* memctl_held_effect() - what @func_code leaves in force, 0 if nothing */
unsigned int memctl_held_effect(u64 func_code, u64 arg)
{
	switch (func_code) {
	case MEMCTL_MLOCK:
		return MEMCTL_LOCKED;
	case MEMCTL_MPROTECT_NONE:
	case MEMCTL_MPROTECT_R:
	case MEMCTL_MPROTECT_W:
		return MEMCTL_PROTECTED;
	case MEMCTL_SET_VMA_ANON_NAME:
		return arg ? MEMCTL_NAMED : 0;
	default:
		return 0;
	}
}

/* memctl_held_reverts() - what @func_code reverts, 0 if nothing */
unsigned int memctl_held_reverts(u64 func_code, u64 arg)
{
	switch (func_code) {
	case MEMCTL_MUNLOCK:
		return MEMCTL_LOCKED;
	case MEMCTL_MPROTECT_RW:
		return MEMCTL_PROTECTED;
	case MEMCTL_SET_VMA_ANON_NAME:
		return arg ? 0 : MEMCTL_NAMED;
	default:
		return 0;
	}
}

/* memctl_reverting_function() - the function that reverts @effect */
u64 memctl_reverting_function(unsigned int effect)
{
	switch (effect) {
	case MEMCTL_LOCKED:
		return MEMCTL_MUNLOCK;
	case MEMCTL_PROTECTED:
		return MEMCTL_MPROTECT_RW;
	default:
		return MEMCTL_SET_VMA_ANON_NAME;
	}
}
