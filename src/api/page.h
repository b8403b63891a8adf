/* page.h - pages for who got a letter: readable on a phone, in their language where we have it, without
 * script and without anything from elsewhere. Inside src/api. */
#pragma once
#include "api_i.h"

enum { PAGE_EN, PAGE_VI, PAGE_LANGUAGES };
/* The first language of Accept-Language that we have (RFC 9110 section 12.5.4), English else. */
size_t page_language(const struct http_call *c);
void page_begin(struct buf *b, size_t language, const char *title);
void page_text(struct buf *b, struct slice s); /* escaped */
/* Ends the page, answers with it and frees b. SUSPENDS. */
void page_answer(struct http_call *c, int status, size_t language, struct buf *b);
