/* session_sim.h - hostile bytes into a real session of a whole server in the simulator: what the session
 * fuzzers (session_*_fuzz.c) and their test share.
 *
 * Every input meets the same server: mail.one.test as world_sim.h has it, from the disk of one that was set
 * up once, with two letters in alice's inbox and one in the queue to bob@far.test. One input, one run. */
#pragma once
#include "base/slice.h"

enum session_kind {
    SESSION_SMTP,          /* port 25 */
    SESSION_LMTP,          /* from another server of ours, over TCP */
    SESSION_SUBMISSION,    /* 587 */
    SESSION_SUBMISSION_IN, /* 465, logged in */
    SESSION_IMAP,
    SESSION_IMAP_IN,
    SESSION_POP3,
    SESSION_POP3_IN,
    SESSION_HTTP,  /* port 80 */
    SESSION_HTTPS, /* 443 */
    SESSION_H2,    /* the same, HTTP/2 */
    SESSION_RELAY, /* the input is what far.test's server says to our client */
};
/* Bytes that stand for something else in an input: the peer is silent for a second and listens; it begins
 * TLS. */
enum { SESSION_PAUSE = 0x1e, SESSION_TLS = 0x1d };

/* Plays the input, ends the connection, stops the server and waits for its end; asserts that it comes, and
 * that each line of an SMTP server is a reply. A hash over all that happened. BLOCKS. */
uint64_t session_play(enum session_kind kind, struct slice input);
