/* belongings.h - what an account has outside of its own objects, in rows that it shares with others: one
 * list, for whoever removes an account. What lies in objects of its own goes with the account itself
 * (account_home). */
#pragma once
#include "core.h"

struct account;

/* Disables the account; one whose row is damaged is as good as that: nobody logs in or sends by it. SUSPENDS.
 */
MUST_CHECK int belongings_shut(struct core *core, const struct account *acc);

/* Disables the account, so that nothing is sent and nobody logs in meanwhile, and takes all of it away: keys
 * of the API, webhooks, mail that is handed to URLs, domains of customers, rights over domains. Before the
 * account itself goes: afterwards nobody knows whose they were. Repeating it is harmless; the first error
 * ends it. SUSPENDS. */
MUST_CHECK int belongings_drop(struct core *core, const struct account *acc);
