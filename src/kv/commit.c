/* commit.c - a group becomes durable, whatever the disk says about it.
 *
 * Each group carries its number (object "_format", key "group"). After a failed write or sync
 * nobody knows what the disk holds: on Linux the pages of a failed sync count as clean, may be read
 * back, and are gone after a crash. So the engine is closed and opened again, which writes and syncs
 * anew what the log holds, and the number found says whether the group is done. When it is not, the
 * state is the one the group was made on, and the group is written once more. */
#include <stdio.h>

#include "base/log.h"
#include "base/text.h"
#include "kv_i.h"

enum { FAILURES_MOST = 5 };
static const int64_t pause_first = 100 * RT_MS;

static struct slice number_key(char room[KV_FULL_MAX]) { return kv_full(room, SL("_format"), SL("group")); }

int kv_number_read(struct kv *kv, uint64_t *number)
{
    char room[KV_FULL_MAX];
    struct slice value;
    *number = 0;
    int e = kv->engine->get(kv, KV_READ_COMMITTER, number_key(room), &kv->scratch, &value);
    if (e == 0 && !num_u64(value, UINT64_MAX, number))
        return err_set(ERR_CORRUPT, "the row with the number of the last group is damaged");
    return e == ERR_NOT_FOUND ? 0 : e;
}

static void number_put(struct kv *kv, uint64_t number)
{
    char room[KV_FULL_MAX], text[24];
    struct onode *n = omap_node(&kv->batch.rows, number_key(room));
    n->kind = OMAP_PUT;
    omap_set(&kv->batch.rows, n,
             sl(text, (size_t)snprintf(text, sizeof text, "%llu", (unsigned long long)number)));
}

/* ---- opening again ---- */

static int reopen_once(struct kv *kv)
{
    uint64_t found;
    kv_hot_forget(&kv->hot);
    int e = kv->engine->reopen(kv);
    if (e == 0) e = kv_number_read(kv, &found);
    if (e) return e;
    if (found != kv->number && !(kv->doubt && found == kv->number + 1))
        return err_set(ERR_CORRUPT,
                       "it ends with group %llu, but group %llu was acknowledged: the disk has lost changes",
                       (unsigned long long)found, (unsigned long long)kv->number);
    kv->number = found;
    kv->broken = kv->doubt = false;
    lock_take(&kv->lock);
    kv->stats.reopened++;
    lock_release(&kv->lock);
    log_warn("kv", "the index is open again, whole up to group %llu", (unsigned long long)found);
    return 0;
}

/* Tries until it is open, the disk is full, or too much has failed. */
static int reopen(struct kv *kv)
{
    int64_t pause = pause_first;
    for (int failures = 0;; pause *= 2) {
        int e = reopen_once(kv);
        if (e == 0 || e == ERR_FULL || e == ERR_CANCELED) return e;
        log_error("kv", "the index cannot be opened again: %s", err_text(e));
        if (++failures == FAILURES_MOST || err_is_damage(e)) {
            rt_die("kv", "the index cannot be opened again after a write error; look at the disk, "
                         "then start again: what was acknowledged had been synced before");
            return ERR_CANCELED;
        }
        rt_pause(pause);
    }
}

int kv_mend(struct kv *kv)
{
    if (!kv->broken) return 0;
    if (!kv->engine->room(kv)) return err_set(ERR_FULL, "the disk has no space for the index to go on");
    kv_gate_shut(kv);
    int e = reopen(kv);
    if (e) kv_gate_down(kv, e);
    else kv_gate_open(kv);
    ar_reset(&kv->scratch);
    return e;
}

/* ---- writing ---- */

static bool batch_changes(const struct kv_batch *b)
{
    if (b->nerased) return true;
    for (struct onode *n = omap_first(&b->rows); n; n = omap_next(n))
        if (n->kind != OMAP_NONE) return true;
    return false;
}

static int write_once(struct kv *kv, uint64_t mine)
{
    int e = kv->engine->write(kv, &kv->batch);
    if (e == 0) {
        kv->number = mine;
        return 0;
    }
    kv->broken = true;
    if (e == ERR_FULL || e == ERR_CANCELED) return e;
    kv->doubt = true;
    log_error("kv", "%s; the index is opened again", err_text(e));
    return e;
}

static int unknown(int e)
{
    char why[ERR_TEXT_MAX];
    snprintf(why, sizeof why, "%s", err_text(e));
    return err_set(ERR_UNKNOWN, "it is not known whether the change was made: %s", why);
}

int kv_commit(struct kv *kv)
{
    uint64_t mine = kv->number + 1;
    ASSERT(!kv->broken || !batch_changes(&kv->batch)); /* else this number may be another group's */
    if (!batch_changes(&kv->batch)) return 0;
    number_put(kv, mine);
    for (int failures = 0; kv->number != mine;) {
        int e = kv_mend(kv);
        if (e) return failures ? unknown(e) : e;
        if (kv->number == mine) break;
        e = write_once(kv, mine);
        if (e == ERR_FULL || e == ERR_CANCELED) return e;
        if (e && ++failures == FAILURES_MOST) {
            rt_die("kv", "the index cannot be written: look at the disk, start again");
            return ERR_CANCELED;
        }
    }
    return 0;
}

/* ---- faults for tests ---- */

void kv_mem_inject(struct kv *kv, enum kv_fault fault, unsigned times)
{
    lock_take(&kv->lock);
    kv->fault = fault;
    kv->fault_times = times;
    lock_release(&kv->lock);
}

void kv_mem_refuse(struct kv *kv, int error, unsigned times)
{
    lock_take(&kv->lock);
    kv->refusal = error;
    kv->refusals = times;
    lock_release(&kv->lock);
}

enum kv_fault kv_fault_next(struct kv *kv, enum kv_fault from, enum kv_fault to)
{
    enum kv_fault f = KV_FAULT_NONE;
    lock_take(&kv->lock);
    if (kv->fault_times && kv->fault >= from && kv->fault <= to) {
        f = kv->fault;
        kv->fault_times--;
    }
    lock_release(&kv->lock);
    return f;
}

int kv_refusal_next(struct kv *kv)
{
    lock_take(&kv->lock);
    int e = kv->refusals ? kv->refusal : 0;
    if (kv->refusals) kv->refusals--;
    lock_release(&kv->lock);
    return e;
}
