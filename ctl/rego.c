/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looks for rules in a policy, line by line. The operator's own text; a policy that hides a rule from this
 * look, or fakes one in a text of many lines, only fools its author.
 */
#include "ctl/rego.h"

#include <string.h>

static bool is_name_byte(uint8_t byte)
{
	return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') ||
	       byte == '_';
}

static struct bytes skip_blanks(struct bytes text)
{
	while (text.len > 0 && (*text.data == ' ' || *text.data == '\t'))
		text = bytes_of(text.data + 1, text.len - 1);
	return text;
}

/* What is behind `word` and blanks, false if the text does not begin with it. */
static bool take_word(struct bytes *text, const char *word)
{
	struct bytes at = skip_blanks(*text);
	size_t len = strlen(word);
	if (at.len < len || memcmp(at.data, word, len) != 0 || (at.len > len && is_name_byte(at.data[len])))
		return false;
	*text = skip_blanks(bytes_of(at.data + len, at.len - len));
	return true;
}

static bool next_line(struct bytes *text, struct bytes *ret_line)
{
	if (text->len == 0)
		return false;
	const uint8_t *end = memchr(text->data, '\n', text->len);
	size_t len = end ? (size_t)(end - text->data) : text->len;
	*ret_line = bytes_of(text->data, len);
	size_t gone = end ? len + 1 : len;
	*text = bytes_of(text->data + gone, text->len - gone);
	return true;
}

/* Is there a line that begins a rule of this name, other than its default? */
static bool has_rule(struct bytes text, const char *name)
{
	struct bytes line;
	while (next_line(&text, &line))
		if (take_word(&line, name))
			return true;
	return false;
}

static bool has_package(struct bytes text)
{
	struct bytes line;
	while (next_line(&text, &line))
		if (take_word(&line, "package"))
			return take_word(&line, "policy") && (line.len == 0 || *line.data != '.');
	return false;
}

static int check(struct bytes text, const char *rule, const char *otherwise, struct err *err)
{
	if (!has_package(text))
		return err_set(err, ERR_CONFIG,
			       "this is no policy of a KBS: it asks 'package policy' and nothing else");
	if (!has_rule(text, rule))
		return err_set(err, ERR_CONFIG, "the policy has no rule '%s': the KBS would take it, and %s", rule,
			       otherwise);
	return 0;
}

int rego_check_resource_policy(struct bytes text, struct err *err)
{
	return check(text, "allow", "release nothing to anybody", err);
}

int rego_check_attestation_policy(struct bytes text, struct err *err)
{
	return check(text, "trust_claims", "every TEE would have the status 'none'", err);
}
