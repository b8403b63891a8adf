/* notify.c - nobody watches over a simulated program, or hands it sockets. */
#include "rt/notify.h"

int notify_sockets(void) { return 0; }
bool notify_is_journal(void) { return false; }
void notify_say(const char *state) { (void)state; }
void notify_reloading(void) { return; }
void notify_watchdog(void *arg) { (void)arg; }
