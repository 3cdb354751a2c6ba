/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Holes in the policy of Kata's agent. The rules are found wherever they begin, and it is looked
 * whether anything that stands in a rule can make it depend on the request. No expression is evaluated; what
 * this look does not understand is told, not passed.
 */
#include "ctl/lint_parts.h"

#include <stdio.h>
#include <string.h>

#include "ctl/rego_tokens.h"

#define FINDINGS_MAX 100

static const struct request_hole {
	const char *request;
	bool is_error;
	const char *why;
} holes[] = {
	{ "SetPolicyRequest", true, "the host may replace this policy at any time, so it protects nothing" },
	{ "AllowRequestsFailingPolicy", true, "the host may make every request that the policy does not name" },
	{ "ExecProcessRequest", true, "the host may run programs in the containers, and read all their secrets" },
	{ "WriteStreamRequest", true, "the host may type into the containers' standard input" },
	{ "ReadStreamRequest", false, "the host reads what the containers print: nothing secret may be in logs" },
	{ "CopyFileRequest", true,
	  "the host may write any file of the VM; allow it below "
	  "/run/kata-containers/shared/containers/ alone" },
	{ "CreateContainerRequest", false,
	  "the host chooses images, commands and environment; a policy made by genpolicy for the pod ties them" },
	{ "SetGuestDateTimeRequest", false, "the host may set the clock, and expired certificates become valid" },
};

static bool is_any(const struct rego_token *token, const char *const *words, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (rego_is(token, words[i]))
			return true;
	return false;
}
#define IS_ANY(token, ...)                                                                                             \
	is_any(token, (const char *const[]){ __VA_ARGS__ },                                                            \
	       sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(const char *))

/* --- expressions --- */

/* What stands in a value or a body. */
struct reading {
	unsigned count; /* of words */
	struct rego_token first;
	bool names; /* something that is no constant: input, a variable, another rule, a call */
	bool with;  /* which puts another input there */
	bool every; /* whose braces belong to it */
};

static bool is_constant_word(const struct rego_token *token)
{
	return IS_ANY(token, "true", "false", "null", "_", "not", "some", "in", "as", "with", "every");
}

static void note(struct reading *reading, const struct rego_token *token)
{
	if (reading->count++ == 0)
		reading->first = *token;
	reading->names = reading->names || (token->kind == REGO_NAME && !is_constant_word(token));
	reading->with = reading->with || rego_is(token, "with");
	reading->every = reading->every || rego_is(token, "every");
}

/* Past the bracket that closes what `now` opens; its content is noted, where `reading` is not NULL. */
static void read_inside(struct rego_words *words, struct reading *reading)
{
	unsigned depth = words->now.depth;
	rego_words_next(words);
	while (words->now.kind != REGO_END && !(words->now.kind == REGO_CLOSE && words->now.depth == depth)) {
		bool prints = reading && rego_is(&words->now, "print");
		if (reading && !prints)
			note(reading, &words->now);
		rego_words_next(words);
		if (prints && rego_is(&words->now, "("))
			read_inside(words, NULL); /* what is printed is no condition */
	}
	rego_words_next(words);
}

static bool ends_term(const struct rego_token *token)
{
	if (token->kind == REGO_NAME)
		return !IS_ANY(token, "not", "some", "every", "in", "with", "as", "if", "else", "contains", "default",
			       "import", "package");
	return token->kind == REGO_FIELD || token->kind == REGO_TEXT || token->kind == REGO_NUMBER ||
	       token->kind == REGO_CLOSE;
}

static bool begins_term(const struct rego_token *token)
{
	if (token->kind == REGO_NAME)
		return !IS_ANY(token, "in", "with", "as");
	return token->kind == REGO_TEXT || token->kind == REGO_NUMBER || rego_is(token, "{");
}

/* Two terms without an operator between them: the second is no longer of the expression. */
static bool is_past(const struct rego_words *words, const struct reading *reading)
{
	if (words->now.kind == REGO_END || IS_ANY(&words->now, "if", "else", ";", "default"))
		return true;
	if (reading->every && rego_is(&words->now, "{"))
		return false;
	return reading->count > 0 && ends_term(&words->before) && begins_term(&words->now);
}

static void read_expression(struct rego_words *words, struct reading *reading)
{
	while (!is_past(words, reading)) {
		note(reading, &words->now);
		if (words->now.kind == REGO_OPEN)
			read_inside(words, reading);
		else
			rego_words_next(words);
	}
}

/* --- rules --- */

/* What a rule can come to. */
struct verdict {
	bool open;  /* true, whatever is asked */
	bool may;   /* anything but a literal false */
	bool doubt; /* not to be told by this look */
};

static bool is_alone(const struct reading *reading, const char *word)
{
	return reading->count == 1 && rego_is(&reading->first, word);
}

/* A body that is false is none that can allow; without one `body` is NULL. */
static void judge(struct verdict *verdict, const struct reading *value, const struct reading *body, bool otherwise)
{
	if (is_alone(value, "false"))
		return;
	verdict->may = true;
	if (body && is_alone(body, "false"))
		return;
	if (body && body->with)
		verdict->doubt = true;
	if (value->names || (body && body->names))
		return;
	/* what stands behind "else" depends on what stands before it */
	if (otherwise || (value->count > 0 && !is_alone(value, "true")))
		verdict->doubt = true;
	else
		verdict->open = true;
}

static bool is_assignment(const struct rego_token *token)
{
	return IS_ANY(token, ":=", "=");
}

/* Nothing that stands behind a head, a value or a body. */
static bool is_odd(const struct rego_token *token)
{
	return token->kind == REGO_STRANGE || (token->kind == REGO_SIGN && !rego_is(token, ";")) ||
	       IS_ANY(token, "(", "[", "contains");
}

/* All bodies that belong to this value. */
static void read_bodies(struct rego_words *words, const struct reading *value, bool otherwise, struct verdict *verdict)
{
	bool none = true;
	if (rego_is(&words->now, "if")) {
		struct reading body = { 0 };
		rego_words_next(words);
		if (rego_is(&words->now, "{"))
			read_inside(words, &body);
		else
			read_expression(words, &body);
		judge(verdict, value, &body, otherwise);
		none = false;
	}
	while (rego_is(&words->now, "{")) {
		struct reading body = { 0 };
		read_inside(words, &body);
		judge(verdict, value, &body, otherwise);
		none = false;
	}
	if (none)
		judge(verdict, value, NULL, otherwise);
	if (is_odd(&words->now)) /* the braces were no body */
		verdict->may = verdict->doubt = true;
}

/* The rule whose name is `now`, up to what is no longer of it. */
static void read_rule(struct rego_words *words, struct verdict *verdict)
{
	bool is_default = rego_is(&words->before, "default");
	rego_words_next(words);
	if (is_odd(&words->now) && !is_assignment(&words->now)) { /* a function, a set, an object */
		verdict->may = verdict->doubt = true;
		return;
	}
	for (bool otherwise = false;; otherwise = true) {
		struct reading value = { 0 };
		if (is_assignment(&words->now)) {
			rego_words_next(words);
			read_expression(words, &value);
		}
		if (is_default)
			judge(verdict, &value, NULL, false);
		else
			read_bodies(words, &value, otherwise, verdict);
		if (!rego_is(&words->now, "else"))
			return;
		rego_words_next(words);
	}
}

/* --- the text --- */

static const struct request_hole *hole_of(const struct rego_token *token)
{
	for (size_t i = 0; i < ARRAY_LEN(holes); i++)
		if (rego_is(token, holes[i].request))
			return &holes[i];
	return NULL;
}

/* Does a rule begin with `now`, or is it a term of another? Where "if", "in" and the like are no keywords, as in older
 * Rego, they may be the value of the rule before: then a name that is given something counts. */
static bool is_head(const struct rego_words *words)
{
	const struct rego_token *before = &words->before;
	struct rego_words ahead = *words;
	if (words->now.depth > 0 || words->now.kind != REGO_NAME)
		return false;
	if (before->kind == REGO_END || before->kind == REGO_STRANGE || ends_term(before) ||
	    IS_ANY(before, "default", ";", "."))
		return true;
	if (!IS_ANY(before, "if", "in", "contains", "every"))
		return false;
	rego_words_next(&ahead);
	return is_assignment(&ahead.now) || IS_ANY(&ahead.now, "if", "{", "contains");
}

static void tell_of_rule(struct lint *lint, const struct request_hole *hole, unsigned line, struct verdict verdict)
{
	char where[64];
	(void)snprintf(where, sizeof(where), "policy.rego line %u", line);
	if (verdict.open && hole->is_error)
		lint_error(lint, where, "%s is allowed without a condition: %s", hole->request, hole->why);
	else if (verdict.open)
		lint_warning(lint, where, "%s is allowed without a condition: %s", hole->request, hole->why);
	else if (hole == &holes[0] && verdict.may)
		lint_error(lint, where, "%s may be allowed: %s", hole->request, hole->why);
	else if (verdict.doubt)
		lint_warning(lint, where, "whether %s has a condition cannot be told: without one, %s", hole->request,
			     hole->why);
}

static bool begins_package(struct rego_words *words)
{
	if (!rego_is(&words->now, "package"))
		return false;
	rego_words_next(words);
	if (!rego_is(&words->now, "agent_policy"))
		return false;
	rego_words_next(words);
	return !IS_ANY(&words->now, ".", "[");
}

static void tell_of_strange(struct lint *lint, unsigned line)
{
	char where[64];
	(void)snprintf(where, sizeof(where), "policy.rego line %u", line);
	lint_warning(lint, where, "has what is no Rego, or a text without its end: rules behind it may be overlooked");
}

void lint_policy(struct lint *lint, struct bytes text)
{
	struct rego_words words;
	unsigned before = lint->errors + lint->warnings;
	bool strange = false;
	rego_words_start(&words, text);
	if (!begins_package(&words))
		lint_error(lint, "policy.rego", "has no 'package agent_policy', so Kata's agent denies everything");
	while (words.now.kind != REGO_END && lint->errors + lint->warnings - before < FINDINGS_MAX) {
		const struct request_hole *hole = hole_of(&words.now);
		struct verdict verdict = { 0 };
		unsigned line = words.now.line;
		if (words.now.kind == REGO_STRANGE && !strange) {
			strange = true;
			tell_of_strange(lint, line);
		}
		if (hole && is_head(&words)) {
			read_rule(&words, &verdict);
			tell_of_rule(lint, hole, line, verdict);
		} else {
			rego_words_next(&words);
		}
	}
	if (words.now.kind != REGO_END)
		lint_error(lint, "policy.rego", "has more findings than these %u; no more are looked for",
			   (unsigned)FINDINGS_MAX);
}
