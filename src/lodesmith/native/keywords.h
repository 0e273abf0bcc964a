/* How much of a text is keywords that it was stuffed with: what keywords.c counts. */
#ifndef LODESMITH_KEYWORDS_H
#define LODESMITH_KEYWORDS_H

#include "natural_text.h"

/* Writes nine numbers: how many parts, in how many clauses, are keywords between clauses of prose,
 * and in lists; how many parts stand with the word that has most, and how often it stands; how many
 * are in long stretches of keywords; how many pairs there are of a word of grammar and another, and
 * how many of them come back. A part is a Chinese character, or a word of another script. */
void ls_keywords_count(natural_text *text, int64_t *numbers);

#endif
