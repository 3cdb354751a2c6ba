/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server's clock, as its Date header tells it.
 *
 * The server writes the header; over TLS it is the pinned one. It is compared and told,
 * never used to set anything. Must never take a malformed date for a time.
 */
#include "base/http_internal.h"

#include <string.h>
#include <time.h>

/* "Sun, 06 Nov 1994 08:49:37 GMT": RFC 9110 section 5.6.7. Digits are 'd', the names are looked
 * up. Its obsolete forms are sent by nobody. */
static const char form[] = "www, dd mmm dddd dd:dd:dd GMT";

static bool has_form(const char *text)
{
	for (size_t i = 0; i < sizeof(form) - 1; i++) {
		bool digit = text[i] >= '0' && text[i] <= '9';
		bool letter = (text[i] >= 'A' && text[i] <= 'Z') || (text[i] >= 'a' && text[i] <= 'z');
		if (form[i] == 'd' ? !digit : form[i] == 'w' || form[i] == 'm' ? !letter : text[i] != form[i])
			return false;
	}
	return true;
}

static int number(const char *digits, unsigned count)
{
	int value = 0;
	for (unsigned i = 0; i < count; i++)
		value = 10 * value + (digits[i] - '0');
	return value;
}

static int month_of(const char *name)
{
	static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	for (int i = 0; i < 12; i++)
		if (memcmp(names + 3 * i, name, 3) == 0)
			return i;
	return -1;
}

bool http_date_parse(struct bytes text, int64_t *ret_seconds)
{
	const char *at = (const char *)text.data;
	if (text.len != sizeof(form) - 1 || !has_form(at) || month_of(at + 8) < 0)
		return false;
	struct tm given = {
		.tm_mday = number(at + 5, 2),
		.tm_mon = month_of(at + 8),
		.tm_year = number(at + 12, 4) - 1900,
		.tm_hour = number(at + 17, 2),
		.tm_min = number(at + 20, 2),
		.tm_sec = number(at + 23, 2),
	};
	struct tm parts = given;
	time_t seconds = timegm(&parts); /* it makes 1 March of 30 February: then the parts have changed */
	bool leap = given.tm_sec == 60;
	if (!leap && (parts.tm_mday != given.tm_mday || parts.tm_mon != given.tm_mon ||
		      parts.tm_hour != given.tm_hour || parts.tm_min != given.tm_min || parts.tm_sec != given.tm_sec))
		return false;
	*ret_seconds = (int64_t)seconds;
	return true;
}

/* In the callback for headers, so as near to the receipt as this program comes. */
void http_date_note(struct http_response *response)
{
	struct buf date OWNED_BUF = BUF_INIT(64);
	int64_t there;
	response->clock_known = http_header_get(response, "date", &date) && http_date_parse(buf_bytes(&date), &there);
	response->clock_behind = response->clock_known ? there - (int64_t)time(NULL) : 0;
}
