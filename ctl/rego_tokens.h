/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The words of a Rego text, one after the other, with the brackets that they stand in. No grammar.
 */
#ifndef SEALPOD_CTL_REGO_TOKENS_H
#define SEALPOD_CTL_REGO_TOKENS_H

#include <stdbool.h>

#include "base/buf.h"

enum rego_kind {
	REGO_END,
	REGO_NAME,  /* keywords too */
	REGO_FIELD, /* a name right behind a '.' */
	REGO_TEXT,  /* "…" or `…` */
	REGO_NUMBER,
	REGO_OPEN,    /* ( [ { */
	REGO_CLOSE,   /* ) ] } */
	REGO_SIGN,    /* operators and other punctuation */
	REGO_STRANGE, /* nothing of Rego, or a text without its end */
};

struct rego_token {
	enum rego_kind kind;
	struct bytes text;
	unsigned line;
	unsigned depth; /* brackets around it; a bracket itself stands outside of itself */
	bool glued;	/* nothing between it and the one before */
};

struct rego_words {
	struct bytes rest;
	unsigned line;
	unsigned depth;		  /* behind `now` */
	struct rego_token now;	  /* the word to look at */
	struct rego_token before; /* the one before it; REGO_END at the beginning */
};

/* `text` is borrowed. Stands at the first word then. */
void rego_words_start(struct rego_words *words, struct bytes text);

/* To the next word; stays at REGO_END. */
void rego_words_next(struct rego_words *words);

bool rego_is(const struct rego_token *token, const char *text);

#endif
