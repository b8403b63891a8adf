/* send_pages.h - the pages of sends that letters were lately made of, in memory: hundreds of letters share
 * one, and are made one after the other. No more than 8 MB of a node, nothing above its budget. For src/send
 * only. */
#pragma once
struct send_pages *send_pages_new(void);
void send_pages_free(struct send_pages **x);
/* Nothing is kept any more of what was read so far: pages were changed. From any loop. */
void send_pages_forget(struct send_pages *x);
