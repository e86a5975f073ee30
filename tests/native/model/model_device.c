// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "model.h"

#include "memctl_plugin.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

struct request {
	uint64_t func_code;
	uint64_t addr;
	uint64_t length;
	uint64_t arg;
};

struct answer {
	uint32_t ret_errno;
	uint32_t ret_code;
	uint64_t ret_value;
	uint64_t arg0;
	uint64_t arg1;
};

_Static_assert(sizeof(struct request) == BUFFER_SIZE && sizeof(struct answer) == BUFFER_SIZE, "a buffer holds either");

static const enum function memctl_codes[] = {
	INFO, DONTNEED, REMOVE, FREE, PAGEOUT, UNMERGEABLE, DONTDUMP, MLOCK, MUNLOCK,
	MPROTECT_NONE, MPROTECT_R, MPROTECT_W, MPROTECT_RW, SET_VMA_ANON_NAME,
};
static const enum function pvmemcontrol_codes[] = {
	INFO, DONTNEED, REMOVE, FREE, PAGEOUT, DONTDUMP, SET_VMA_ANON_NAME, MLOCK, MUNLOCK,
	MPROTECT_NONE, MPROTECT_R, MPROTECT_W, MPROTECT_RW, MERGEABLE, UNMERGEABLE,
};
static const char *const names[] = {
	"INFO", "DONTNEED", "REMOVE", "FREE", "PAGEOUT", "MERGEABLE", "UNMERGEABLE", "DONTDUMP", "MLOCK", "MUNLOCK",
	"MPROTECT_NONE", "MPROTECT_R", "MPROTECT_W", "MPROTECT_RW", "SET_VMA_ANON_NAME",
};

const char *function_name(enum function function)
{
	return names[function];
}

int model_function(const struct model *model, uint64_t code)
{
	if (model->options.pvmemcontrol)
		return code < sizeof(pvmemcontrol_codes) / sizeof(pvmemcontrol_codes[0]) ? (int)pvmemcontrol_codes[code] : -1;
	/* Of INFO there are no lists. */
	if (code & LIST && code != LIST)
		code &= ~LIST;
	return code < sizeof(memctl_codes) / sizeof(memctl_codes[0]) ? (int)memctl_codes[code] : -1;
}

void model_new_device(struct model *model)
{
	memset(model->requests, 0, sizeof(model->requests));
	memset(model->errors, 0, sizeof(model->errors));
	memset(model->bytes, 0, sizeof(model->bytes));
	memset(model->refused, 0, sizeof(model->refused));
	model->ignored = 0;
	model->unanswered = 0;
	model->refused_commands = 0;
	model->dirty_on = false;
	model->discard_inhibited = false;
	model->kept_readable = false;
	model->kept_accessible = false;
}

void model_start(struct model *model, const struct model_options *options)
{
	model->options = *options;
	model->transport = DISCONNECTED;
	model->payload = 0;
	model->channel_count = 0;
	model->dirty_count = 0;
	for (unsigned int slot = 0; slot < SLOTS; slot++) {
		model->slots[slot].registered = false;
		memset(model->slots[slot].pages, 0, sizeof(model->slots[slot].pages));
	}
	model_new_device(model);
}

static void revert_all(struct model *model)
{
	for (unsigned int slot = 0; slot < SLOTS; slot++) {
		if (model->slots[slot].registered)
			model_revert(model, slot);
	}
}

static void disconnect(struct model *model)
{
	model->transport = DISCONNECTED;
	model->channel_count = 0;
	revert_all(model);
}

void model_reset(struct model *model)
{
	model->payload = 0;
	disconnect(model);
}

void model_read(const struct model *model, uint64_t offset, uint8_t *data, size_t length)
{
	for (size_t index = 0; index < length; index++) {
		uint64_t at = offset + index;
		uint32_t command = model->transport == DISCONNECTED ? COMMAND_ERROR : COMMAND_ACK;

		data[index] = 0;
		if (offset < REGISTER_COMMAND && at < REGISTER_COMMAND)
			data[index] = (uint8_t)(model->payload >> (8 * at));
		else if (offset < REGISTER_BLOCK && at < REGISTER_COMMAND + sizeof(command))
			data[index] = (uint8_t)(command >> (8 * (at - REGISTER_COMMAND)));
	}
}

static struct answer refuse(struct model *model, uint64_t code, uint32_t number, enum device_error error)
{
	model->refused[error]++;
	return (struct answer){ .ret_errno = number, .ret_code = model->options.pvmemcontrol ? (uint32_t)code : error };
}

static bool holds_buffer(const struct model *model, uint64_t address, uint64_t length)
{
	for (unsigned int channel = 0; channel < model->channel_count; channel++) {
		for (unsigned int byte = 0; byte < BUFFER_SIZE; byte++) {
			if (model->buffers[channel] + byte - address < length)
				return true;
		}
	}
	return false;
}

static void report(struct model *model, uint64_t start, uint64_t length)
{
	if (model->dirty_on)
		model->dirty[model->dirty_count++] = (struct range){ start, length };
}

static struct answer info(const struct model *model)
{
	if (model->options.pvmemcontrol)
		return (struct answer){ .ret_value = PAGE, .arg0 = 1 };
	return (struct answer){ .arg0 = 1 | 1ull << 32, .arg1 = PAGE };
}

static struct answer change(struct model *model, const struct request *request, enum function function)
{
	/* Where the policy names functions at all, it names this one. */
	bool named = model->options.allowed != (1u << FUNCTION_COUNT) - 1;
	enum device_error error;
	int failed;

	if (function == MERGEABLE && !named && !model_is_mergeable(model, request->addr, request->length))
		return refuse(model, request->func_code, EPERM, ERROR_DENIED);
	if ((function == MPROTECT_NONE || function == MPROTECT_R) && holds_buffer(model, request->addr, request->length))
		return refuse(model, request->func_code, EBUSY, ERROR_HOLDS_BUFFER);
	failed = model_change(model, request->addr, request->length, function, function == SET_VMA_ANON_NAME ? request->arg : 0,
			      &error);
	if (error)
		return refuse(model, request->func_code, (uint32_t)failed, error);
	return (struct answer){ .ret_errno = (uint32_t)failed };
}

/* One range, from step 4 of the protocol's order of checks on. */
static struct answer carry_out(struct model *model, const struct request *request, enum function function)
{
	struct answer answer = { 0 };

	if (request->addr % PAGE || request->length % PAGE)
		return refuse(model, request->func_code, EINVAL, ERROR_UNALIGNED);
	if (!model_covers(model, request->addr, request->length))
		return refuse(model, request->func_code, EINVAL, ERROR_NOT_GUEST_MEMORY);
	if (!request->length)
		return answer;
	if (function == PAGEOUT) {
		answer.ret_errno = (uint32_t)model_advise(model, request->addr, request->length, MADV_PAGEOUT);
		return answer;
	}
	if (function != DONTNEED && function != REMOVE && function != FREE)
		return change(model, request, function);
	if (model->discard_inhibited)
		return refuse(model, request->func_code, EBUSY, ERROR_DISCARD_INHIBITED);
	answer.ret_errno = (uint32_t)model_advise(model, request->addr, request->length, function == DONTNEED ? MADV_DONTNEED :
						  function == REMOVE ? MADV_REMOVE : MADV_FREE);
	report(model, request->addr, request->length);
	return answer;
}

static struct answer count(struct model *model, enum function function, uint64_t length, struct answer answer)
{
	model->requests[function]++;
	if (answer.ret_errno)
		model->errors[function]++;
	else if (function != INFO)
		model->bytes[function] += length;
	return answer;
}

/* The list is copied before anything is done, so one that names itself is carried out as it was. */
static struct answer process_list(struct model *model, const struct request *request, enum function function)
{
	struct range list[LIST_ENTRIES];
	struct answer answer = { 0 };
	uint64_t entries = request->length / sizeof(list[0]);

	if (request->addr % sizeof(list[0]) || request->length % sizeof(list[0]) || request->length > LIST_BYTES)
		return count(model, function, 0, refuse(model, request->func_code, EINVAL, ERROR_BAD_LIST));
	if (entries && !model_covers(model, request->addr, request->length))
		return count(model, function, 0, refuse(model, request->func_code, EINVAL, ERROR_NOT_GUEST_MEMORY));
	if (!model_copy_out(model, false, request->addr, list, request->length))
		return count(model, function, 0, refuse(model, request->func_code, EFAULT, ERROR_BUFFER_UNREADABLE));
	for (uint64_t done = 0; done < entries && !answer.ret_errno; done++) {
		struct request entry = { request->func_code, list[done].start, list[done].length, request->arg };

		answer = count(model, function, entry.length, carry_out(model, &entry, function));
		answer.ret_value = answer.ret_errno ? done : done + 1;
	}
	model->asked_twice = answer.ret_errno && !answer.ret_code;
	return answer;
}

static struct answer process(struct model *model, const struct request *request, int function)
{
	bool list = request->func_code & LIST;

	if (function < 0)
		return refuse(model, request->func_code, EOPNOTSUPP, ERROR_UNKNOWN_FUNCTION);
	if (function == INFO)
		return count(model, INFO, 0, info(model));
	if (!(model->options.allowed & (1u << function)))
		return count(model, (enum function)function, 0, refuse(model, request->func_code, EPERM, ERROR_DENIED));
	if (list)
		return process_list(model, request, (enum function)function);
	return count(model, (enum function)function, request->length, carry_out(model, request, (enum function)function));
}

static void serve(struct model *model, uint64_t buffer)
{
	struct request request = { 0 };
	struct answer answer;
	size_t written;

	model->last_function = -1;
	model->asked_twice = false;
	if (model_copy_out(model, false, buffer, &request, sizeof(request))) {
		model->last_function = model_function(model, request.func_code);
		answer = process(model, &request, model->last_function);
	} else {
		answer = refuse(model, 0, EFAULT, ERROR_BUFFER_UNREADABLE);
	}
	model->last_errno = answer.ret_errno;
	model->last_code = answer.ret_code;
	if (!model_copy_in(model, false, buffer, &answer, sizeof(answer), &written))
		model->unanswered++;
	/* Also an answer that could not be written: a part of it may have been. Where no RAM is, none was. */
	if (model_covers(model, buffer, BUFFER_SIZE))
		report(model, buffer, BUFFER_SIZE);
}

static uint32_t ignore(struct model *model)
{
	model->ignored++;
	return MEMCTL_IGNORED_ACCESS;
}

static void refuse_command(struct model *model)
{
	model->transport = DISCONNECTED;
	model->channel_count = 0;
	model->refused_commands++;
}

static bool buffer_closed(const struct model *model, uint64_t buffer)
{
	for (unsigned int slot = 0; slot < SLOTS; slot++) {
		for (unsigned int byte = 0; byte < BUFFER_SIZE; byte++) {
			uint64_t offset = buffer + byte - slot_base(slot);

			if (offset < SLOT_BYTES && model->slots[slot].pages[offset / PAGE].denied & NO_WRITE)
				return true;
		}
	}
	return false;
}

static void register_channel(struct model *model)
{
	if (model->transport != REGISTERING || !model_covers(model, model->payload, BUFFER_SIZE) ||
	    buffer_closed(model, model->payload) || model->channel_count == model->options.channels) {
		refuse_command(model);
		return;
	}
	model->buffers[model->channel_count] = model->payload;
	model->payload = COMMAND_CHANNEL + model->channel_count++;
}

static uint32_t command(struct model *model, uint32_t value)
{
	if (value & COMMAND_CHANNEL) {
		if (model->transport != READY || value - COMMAND_CHANNEL >= model->channel_count)
			return ignore(model);
		serve(model, model->buffers[value - COMMAND_CHANNEL]);
		return MEMCTL_OK;
	}
	switch (value) {
	case COMMAND_RESET:
		model->transport = REGISTERING;
		model->channel_count = 0;
		return MEMCTL_OK;
	case COMMAND_REGISTER:
		register_channel(model);
		return MEMCTL_OK;
	case COMMAND_READY:
		if (model->transport == REGISTERING) {
			model->transport = READY;
			revert_all(model);
		} else {
			refuse_command(model);
		}
		return MEMCTL_OK;
	case COMMAND_DISCONNECT:
		disconnect(model);
		return MEMCTL_OK;
	case COMMAND_ACK:
	case COMMAND_ERROR:
		refuse_command(model);
		return MEMCTL_OK;
	default:
		return ignore(model);
	}
}

uint32_t model_write(struct model *model, uint64_t offset, const uint8_t *data, size_t length)
{
	uint64_t value = 0;

	model->dirty_count = 0;
	memcpy(&value, data, length);
	if (offset == REGISTER_COMMAND && length == 4)
		return command(model, (uint32_t)value);
	if (offset == REGISTER_PAYLOAD && length == 8)
		model->payload = value;
	else if (offset == REGISTER_PAYLOAD && length == 4)
		model->payload = (model->payload & 0xffffffff00000000) | value;
	else if (offset == REGISTER_PAYLOAD_HIGH && length == 4)
		model->payload = (model->payload & 0xffffffff) | value << 32;
	else
		return ignore(model);
	return MEMCTL_OK;
}
