/* dsn_i.h - what the files of the delivery report share. */
#pragma once
#include "dsn.h"

enum dsn_action dsn_worst(const struct dsn *d);         /* failed before delayed before the rest */
struct slice dsn_status(const struct dsn_recipient *r); /* "5.1.1", always well-formed */
/* The first part, for people, with its part header. */
void dsn_put_words(struct arena *a, struct buf *out, const struct dsn *d);
/* Text with each line ended by CRLF, whatever its line ends were. */
void dsn_put_lines(struct buf *out, struct slice text);
void dsn_put_qp(struct buf *out, struct slice text); /* quoted-printable; line ends as in dsn_put_lines */
