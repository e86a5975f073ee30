// SPDX-License-Identifier: Apache-2.0
#include "console.h"

#include "machine.h"

/* 16550 registers */
#define COM1 0x3f8
#define LINE_STATUS (COM1 + 5)
#define STATUS_DATA_READY 0x01
#define STATUS_TRANSMIT_EMPTY 0x20

static void put(char character)
{
	while (!(port_read8(LINE_STATUS) & STATUS_TRANSMIT_EMPTY))
		relax();
	port_write8(COM1, (uint8_t)character);
}

static void put_number(uint64_t value, uint64_t base)
{
	char digits[20];
	unsigned int count = 0;

	do {
		digits[count++] = "0123456789abcdef"[value % base];
		value /= base;
	} while (value);
	while (count)
		put(digits[--count]);
}

void print_list(const char *format, va_list arguments)
{
	for (; *format; format++) {
		if (*format != '%') {
			put(*format);
			continue;
		}
		switch (*++format) {
		case 's':
			for (const char *text = va_arg(arguments, const char *); *text; text++)
				put(*text);
			break;
		case 'u':
			put_number(va_arg(arguments, uint64_t), 10);
			break;
		case 'x':
			put_number(va_arg(arguments, uint64_t), 16);
			break;
		default:
			put(*format);
			break;
		}
	}
}

void print(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	print_list(format, arguments);
	va_end(arguments);
}

bool console_poll(void)
{
	if (!(port_read8(LINE_STATUS) & STATUS_DATA_READY))
		return false;
	port_read8(COM1);
	return true;
}

void console_wait(void)
{
	while (!console_poll())
		relax();
}
