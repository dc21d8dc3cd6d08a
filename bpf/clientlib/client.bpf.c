/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * client.bpf.c - calls of client libraries: objects that they hand out and take back.
 *
 * Two programs serve every row of the probe table; the attach cookie names the row.  The entry
 * remembers a call, its end decides.  A release that cannot fail is done at the entry.  An end is
 * not a return probe but a probe on the function's own last instructions (see
 * user/capture/probe/probe_exit.c).  Objects that a library acquires from itself are not counted.
 */
#include <asm-generic/errno-base.h>

#include "bpf/clientlib/client.bpf.h"
#include "bpf/keyword.bpf.h"
#include "bpf/ledger/select.bpf.h"
#include "bpf/stack/stack.bpf.h"

#define JOIN_NS	       10000000000ULL
#define JOIN_TRIES     60
#define SCRATCH_LEN    2048 /* bytes of a text read at a time */
#define WORDS_STEP     8    /* words of it hashed at a time */
#define WIDE_LEN       256  /* units of a UTF-16 text, read one by one: the verifier walks each */
#define OUTERS_MOST    8    /* rows whose functions call the same function */
#define TOP_WORDS      8
#define PRELUDE_NS     20000000ULL
#define STACK_EVERY_NS 10000000ULL
#define SCRATCHES      8 /* so many reads of a text are hashed; later differences are not seen */

struct handles_map handles SEC(".maps");
struct links_map links SEC(".maps"); /* connections */
struct sites_map sites SEC(".maps");
struct thread_socket_map thread_socket SEC(".maps");
__u64 joins_until_ns = 0;

struct probes_map probes SEC(".maps");

struct hits_map hits SEC(".maps");

struct calls_map calls SEC(".maps");

/* Evidence, not ledger: the SQL texts seen last. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, ROOM_TEXTS);
	__type(key, __u64);
	__type(value, struct client_text);
} texts SEC(".maps");

struct scratch {
	__u64 busy; /* threads that want the buffer: only the first gets it */
	__u64 words[SCRATCH_LEN / 8];
	struct client_text text;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct scratch);
} text_scratch SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct site);
} site_scratch SEC(".maps");

/* The numbers of a site's samples, for bpf_for_each_map_elem. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SITE_SAMPLES);
	__type(key, __u32);
	__type(value, __u32);
} sample_numbers SEC(".maps");

__noinline int slot_holds(__u64 slot, __u64 address)
{
	__u64 found = replaced_address(slot);

	return found == address ||
	       (!bpf_probe_read_user(&found, sizeof(found), (void *)slot) && found == address);
}

/* Was the call left without a return?  Then its return address is no longer in the slot, or the
 * thread goes on above it. */
static __always_inline int is_left(const struct call *call, __u64 stack)
{
	return is_below(call->slot, stack) || !slot_holds(call->slot, call->address);
}

/* Returns the first call that was left without a return; CALLS_MOST: none.  Used only when there is
 * no free place. */
__noinline __u32 call_left(__u64 stack)
{
	struct calls *c = calls_of_thread();
	__u32 i;

	if (!c)
		return CALLS_MOST;
	for (i = 0; i < CALLS_MOST; i++)
		if (is_left(&c->of[i], stack))
			return i;
	return CALLS_MOST;
}

__noinline __u32 call_place(__u64 stack)
{
	struct calls *c = bpf_task_storage_get(&calls, bpf_get_current_task_btf(), NULL,
					       BPF_LOCAL_STORAGE_GET_F_CREATE);
	__u32 room = CALLS_MOST, i;
	__u64 now = 0;

	if (!c) {
		count(COUNTER_LOSS + EV_LOSS_MISSED_RETURN);
		return CALLS_MOST;
	}
	for (i = 0; i < CALLS_MOST; i++) {
		if (!c->stack[i] || c->stack[i] == stack)
			continue;
		if (!now)
			now = bpf_ktime_get_boot_ns();
		if (!c->of[i].ns)
			c->of[i].ns = now;
	}
	for (i = 0; i < CALLS_MOST && room == CALLS_MOST; i++)
		if (c->stack[i] == stack)
			room = i;
	for (i = 0; i < CALLS_MOST && room == CALLS_MOST; i++)
		if (!c->stack[i])
			room = i;
	if (room == CALLS_MOST)
		room = call_left(stack);
	if (room == CALLS_MOST) {
		count(COUNTER_LOSS + EV_LOSS_MISSED_RETURN);
		room = 0;
	}
	room &= CALLS_MOST - 1;
	barrier_var(room);
	room &= CALLS_MOST - 1; /* the verifier sees only this mask */
	c->stack[room] = stack;
	c->of[room].ns = now;
	return room;
}

__noinline int branch_is_taken(__u32 condition, __u64 flags)
{
	int carry = flags & 1, parity = !!(flags & 4), zero = !!(flags & 0x40);
	int sign = !!(flags & 0x80), overflow = !!(flags & 0x800), taken = 0;

	switch (condition >> 1 & 7) {
	case 0:
		taken = overflow;
		break;
	case 1:
		taken = carry;
		break;
	case 2:
		taken = zero;
		break;
	case 3:
		taken = carry | zero;
		break;
	case 4:
		taken = sign;
		break;
	case 5:
		taken = parity;
		break;
	case 6:
		taken = sign ^ overflow;
		break;
	case 7:
		taken = zero | (sign ^ overflow);
		break;
	}
	return taken ^ (condition & 1);
}

__noinline __u32 call_find(__u64 stack)
{
	struct calls *c = calls_of_thread();
	__u32 i;

	if (!c)
		return CALLS_MOST;
	for (i = 0; i < CALLS_MOST; i++)
		if (c->stack[i] == stack)
			return i;
	return CALLS_MOST;
}

/* Does the call at stack begin inside a call whose objects are the library's own, deeper in the
 * thread's stack?  Then an older entry at that place is dropped, because this call is not noted. */
__noinline int calls_inside(__u64 stack)
{
	struct calls *c = calls_of_thread();
	__u32 i, at;
	int inside = 0;

	if (!c)
		return 0;
	for (i = 0; i < CALLS_MOST && !inside; i++)
		inside = c->stack[i] && c->of[i].inside && is_below(stack, c->stack[i]) &&
			 slot_holds(c->stack[i], c->of[i].address);
	at = inside ? call_find(stack) : CALLS_MOST;
	if (at < CALLS_MOST)
		c->stack[at] = 0;
	return inside;
}

static __always_inline __u64 argument(struct pt_regs *ctx, const struct probe *p, __u8 source)
{
	__u64 value = 0;

	switch (source & ~FROM_OUT) {
	case FROM_ARG1:
		return ctx->di;
	case FROM_ARG2:
		return ctx->si;
	case FROM_ARG3:
		return ctx->dx;
	case FROM_ARG4:
		return ctx->cx;
	case FROM_ARG5:
		return ctx->r8;
	case FROM_ARG6:
		return ctx->r9;
	case FROM_ARG7:
		if (bpf_probe_read_user(&value, 8, (void *)(ctx->sp + p->stack + 8)))
			count(COUNTER_LOSS + EV_LOSS_READ_FAULT);
		return value;
	}
	return 0;
}

/* Are calls that the library makes to itself ignored?  Yes, but not where it releases an object
 * that the program acquired: that counts.  For connections even a release is ignored, because a
 * connection that the library closes itself may live on. */
static __always_inline int minds_itself(const struct probe *p)
{
	return !(p->flags & (PROBE_BORN_INSIDE | PROBE_STATIC)) &&
	       (p->role != PROBE_RELEASE || p->resource == EV_RES_CONNECTION);
}

/* Is this a call from the library to itself that is ignored? */
static __always_inline int from_itself(const struct probe *p, const struct call *call)
{
	return minds_itself(p) && call->caller - call->code < p->code;
}

static __always_inline __u64 hash_word(__u64 hash, __u64 word)
{
	hash = (hash ^ word) * 0x9e3779b97f4a7c15ULL;
	return hash ^ hash >> 29;
}

/* Each step of a loop is a global function, so that the verifier checks it once. */

/* Adds WORDS_STEP words of the scratch to the hash. */
__noinline __u64 hash_words(__u64 hash, __u32 from)
{
	__u32 zero = 0, i;
	struct scratch *s = bpf_map_lookup_elem(&text_scratch, &zero);

	if (!s || from > SCRATCH_LEN / 8 - WORDS_STEP)
		return hash;
	for (i = 0; i < WORDS_STEP; i++)
		hash = hash_word(hash, s->words[from + i]);
	return hash;
}

/* Adds the rest of the scratch's first n bytes, behind the last full step. */
__noinline __u64 hash_rest(__u64 hash, __u32 n)
{
	__u32 zero = 0, i, words = n / 8, at = words & ~(WORDS_STEP - 1);
	struct scratch *s = bpf_map_lookup_elem(&text_scratch, &zero);

	if (!s)
		return hash;
	for (i = 0; i < WORDS_STEP - 1 && at < words; i++, at++) {
		barrier_var(
			at); /* or the compiler, which knows more, drops what the verifier needs */
		hash = hash_word(hash, s->words[at % (SCRATCH_LEN / 8)]);
	}
	if (!(n & 7))
		return hash;
	words %= SCRATCH_LEN / 8;
	barrier_var(words);
	/* The bytes behind n belong to an older text. */
	return hash_word(hash, s->words[words] & ((1ULL << (n & 7) * 8) - 1));
}

/* Adds the scratch's first n bytes to the hash. */
__noinline __u64 hash_scratch(__u64 hash, __u32 n)
{
	__u32 i;

	for (i = WORDS_STEP; i <= SCRATCH_LEN / 8; i += WORDS_STEP) {
		if (i > n / 8)
			break;
		hash = hash_words(hash, i - WORDS_STEP);
	}
	return hash_rest(hash, n);
}

/* May the current process enter another text?  The table gives its oldest text away for a new one.
 * So a process may enter half of them in a second, and user space reads the texts of others in
 * time. */
static __always_inline int text_has_room(void)
{
	struct process *p = process_of(bpf_get_current_pid_tgid() >> 32);
	__u32 second = bpf_ktime_get_boot_ns() >> 30;

	if (!p)
		return 1;
	if (p->text_second != second) {
		p->text_second = second;
		p->held[EV_TABLE_TEXTS] = 0;
	}
	return !share_take(p, EV_TABLE_TEXTS);
}

/* Returns how many bytes, with the zero byte that ends them, may be read into that much room, after
 * `done` of a text of at most `most` bytes; most 0: the text ends itself.  Memory behind a text is
 * not the text's, and may hold what nobody is to see. */
static __always_inline __u32 text_room(__u32 most, __u32 done, __u32 room)
{
	if (most && most - done < room - 1)
		return most - done + 1;
	return room;
}

/* Keeps the beginning of a text under the hash of the whole text.  Returns the hash; 0: no text.
 * Equal texts have equal hashes in this run, however their end is told. */
__noinline __u64 keep_text(__u64 from, __u32 most)
{
	__u64 hash = settings.hash_seed, at = from;
	struct scratch *s;
	long n, first = 0;
	__u32 zero = 0, i, room;

	s = bpf_map_lookup_elem(&text_scratch, &zero);
	if (!s || !from)
		return 0;
	for (i = 0; i < SCRATCHES; i++) {
		room = text_room(most, i * (SCRATCH_LEN - 1), SCRATCH_LEN);
		barrier_var(room);
		if (room > SCRATCH_LEN)
			break;
		n = bpf_probe_read_user_str(s->words, room, (void *)at);
		if (n <= 1 && !i)
			return 0;
		if (n <= 1)
			break;
		if (!i)
			first = n;
		hash = hash_scratch(hash, n);
		if (n < SCRATCH_LEN)
			break;
		at += SCRATCH_LEN - 1;
	}
	hash |= !hash;
	if (bpf_map_lookup_elem(&texts, &hash) || !text_has_room())
		return hash;
	__builtin_memset(&s->text, 0, sizeof(s->text));
	room = text_room(most, 0, TEXT_LEN);
	barrier_var(room);
	if (room > TEXT_LEN)
		return 0;
	n = bpf_probe_read_user_str(s->text.bytes, room, (void *)from);
	if (n < 1)
		return 0;
	s->text.length = n - 1;
	s->text.cut = first > TEXT_LEN;
	bpf_map_update_elem(&texts, &hash, &s->text, BPF_ANY);
	return hash;
}

/* Adds a unit of a UTF-16 text to the hash and to the text.  Returns 0 at the end. */
__noinline int keep_unit(__u64 from, __u32 i)
{
	__u32 zero = 0;
	struct scratch *s = bpf_map_lookup_elem(&text_scratch, &zero);
	__u16 unit;

	if (!s || bpf_probe_read_user(&unit, sizeof(unit), (void *)(from + i * sizeof(unit))) ||
	    !unit)
		return 0;
	s->words[0] = hash_word(s->words[0], unit);
	barrier_var(i); /* or the verifier loses its bound */
	if (i < TEXT_LEN - 1)
		s->text.bytes[i] = unit < 0x80 ? unit : '?';
	return 1;
}

/* Keeps the text of n units.  Returns its hash. */
__noinline __u64 keep_units(__u32 n)
{
	__u32 zero = 0;
	struct scratch *s = bpf_map_lookup_elem(&text_scratch, &zero);
	__u64 hash;

	if (!s || !n)
		return 0;
	s->text.length = n < TEXT_LEN ? n : TEXT_LEN - 1;
	s->text.cut = n >= TEXT_LEN;
	hash = s->words[0] | !s->words[0];
	if (!bpf_map_lookup_elem(&texts, &hash) && text_has_room())
		bpf_map_update_elem(&texts, &hash, &s->text, BPF_ANY);
	return hash;
}

/* The same for a text in UTF-16.  A character outside ASCII is kept as a question mark. */
__noinline __u64 keep_wide_text(__u64 from, __u32 most)
{
	__u32 zero = 0, i;
	struct scratch *s;

	s = bpf_map_lookup_elem(&text_scratch, &zero);
	if (!s || !from)
		return 0;
	__builtin_memset(&s->text, 0, sizeof(s->text));
	s->words[0] = settings.hash_seed;
	for (i = 0; i < WIDE_LEN; i++)
		if ((most && i >= most / 2) || !keep_unit(from, i))
			break;
	return keep_units(i);
}

/* A thread may be preempted in here.  Another thread then gets no text, which is counted. */
static __always_inline __u64 text_of(const struct probe *p, const struct call *call)
{
	__u32 zero = 0;
	struct scratch *s = bpf_map_lookup_elem(&text_scratch, &zero);
	__u64 hash = 0;

	if (!s)
		return 0;
	if (__sync_fetch_and_add(&s->busy, 1))
		count(COUNTER_LOSS + EV_LOSS_TRUNCATED);
	else
		hash = p->flags & PROBE_WIDE_TEXT ? keep_wide_text(call->text, call->text_most)
						  : keep_text(call->text, call->text_most);
	__sync_fetch_and_add(&s->busy, -1);
	return hash;
}

/* Takes the stack of the thread that makes the call.  At the very end of a function the stack is
 * shown as the caller has it, because the function has restored all registers. */
static __always_inline __u64 call_stack(const struct call *call)
{
	if (!call->outer)
		return stack_take(0);
	return stack_take_share(call->caller, call->outer + 8, STACK_SHARE_EVENTS);
}

/* Takes the stack of an interpreted program, at each call; other programs seldom need that.  0: not
 * interpreted. */
static __always_inline __u64 interpreted_stack(struct task_struct *task, const struct call *call)
{
	__u32 pid = task->tgid;

	if (!bpf_map_lookup_elem(&runtimes, &pid) || !selected(task))
		return 0;
	return call_stack(call);
}

/* Takes the stack of a native program at some of the calls only, because its site has the
 * caller. */
static __always_inline __u64 sampled_stack(const struct site *s, const struct call *call, __u64 now)
{
	return now - s->stack_ns < STACK_EVERY_NS ? 0 : call_stack(call);
}

/* Enters a site.  flags: BPF_EXIST replaces another, which fills no share of this process.  Not 0:
 * no room, which is counted. */
static __always_inline long site_put(const struct site_key *key, const struct site *fresh,
				     __u64 flags)
{
	struct process *p = NULL;
	long err;

	if (!fresh->unwanted) {
		ledger_client(key->pid, fresh->start_ns);
		p = process_of(key->pid);
	}
	if (share_take(p, EV_TABLE_SITES))
		return -E2BIG;
	err = bpf_map_update_elem(&sites, key, fresh, flags);
	if (err == -EEXIST || err == -ENOENT) /* another thread was faster */
		share_return(p, EV_TABLE_SITES);
	else if (err)
		share_crowded(p, EV_TABLE_SITES);
	return 0;
}

/* Returns the site of a call.  NULL: its process is not selected, or there is no room (counted). */
static __always_inline struct site *site_enter(const struct probe *p, struct task_struct *task,
					       const struct call *call, __u64 place)
{
	struct site_key key = {.place = place, .pid = task->tgid, .probe = call->probe};
	__u64 start = task_start(task);
	struct site *s = bpf_map_lookup_elem(&sites, &key), *fresh;
	__u32 zero = 0;

	if (s && s->start_ns == start && !s->unwanted)
		return s;
	if (s && s->start_ns == start && s->unwanted == selection_generation + 1)
		return NULL;
	fresh = bpf_map_lookup_elem(&site_scratch, &zero); /* all zero but the fields set here */
	if (!fresh)
		return NULL;
	fresh->start_ns = start;
	fresh->resource = p->resource;
	fresh->database = p->database;
	fresh->caller = call->caller;
	fresh->unwanted = selected(task) ? 0 : selection_generation + 1;
	fresh->made_ns = bpf_ktime_get_boot_ns();
	if (site_put(&key, fresh, s ? BPF_EXIST : BPF_NOEXIST) || fresh->unwanted)
		return NULL;
	return bpf_map_lookup_elem(&sites, &key);
}

static __always_inline struct site *client_site_of(const struct object *o, __u32 pid)
{
	struct site_key key = {.place = o->place, .pid = pid, .probe = o->probe};

	return bpf_map_lookup_elem(&sites, &key);
}

static __always_inline struct ledger_handle *link_find(__u64 handle, __u32 pid)
{
	struct handle_key key = {.handle = handle, .pid = pid, .resource = EV_RES_CONNECTION};

	return handle ? bpf_map_lookup_elem(&links, &key) : NULL;
}

/* Inserts an entry.  An existing one stays; then this returns -EEXIST.  No room is counted. */
static __always_inline long client_put(void *map, const struct handle_key *key, const void *value,
				       __u32 table)
{
	struct process *p = process_of(key->pid);
	long err;

	if (share_take(p, table))
		return bpf_map_lookup_elem(map, key) ? -EEXIST : -E2BIG;
	err = bpf_map_update_elem(map, key, value, BPF_NOEXIST);
	if (err == -EEXIST)
		share_return(p, table);
	else if (err)
		share_crowded(p, table);
	return err;
}

/* Takes a place among the site's samples.  Two threads at once may take the same place; then one
 * object is not reported. */
static __always_inline __u8 sample_take(struct site *s, __u64 handle, __u64 stack)
{
	__u32 taken = s->sampled, i;

	if (taken == ~0U)
		return NO_SAMPLE;
	for (i = 0; i < SITE_SAMPLES; i++)
		if (!(taken & 1U << i))
			break;
	if (i >= SITE_SAMPLES)
		return NO_SAMPLE;
	s->sample[i] = handle;
	s->sample_at[i] = stack;
	__sync_fetch_and_or(&s->sampled, 1U << i);
	return i;
}

static __always_inline void sample_give_back(struct site *s, const struct object *o, __u64 handle)
{
	__u32 i = o->sample;

	if (i < SITE_SAMPLES && s->sample[i] == handle)
		__sync_fetch_and_and(&s->sampled, ~(1U << i));
}

/* Joins a connection with the socket that this thread used inside the call.  Another coroutine of
 * the thread may have used another socket meanwhile, but on a stack of its own. */
static __always_inline int client_join(struct ledger_handle *h, const struct call *call)
{
	__u64 thread = bpf_get_current_pid_tgid();
	struct thread_socket *last = bpf_map_lookup_elem(&thread_socket, &thread);

	if (!last || last->ns < call->ns || !is_below(last->stack, call->slot))
		return 0;
	if (h->socket != last->id)
		h->reported = 0;
	h->socket = last->id;
	h->flags &= ~EV_HANDLE_TENTATIVE;
	return 1;
}

/* Joins a connection whose call did no I/O with the socket that this thread used last, within 1 s.
 * The result is tentative the first time, and certain when the next call agrees. */
static __always_inline void join_after(struct ledger_handle *h, __u64 now)
{
	__u64 thread = bpf_get_current_pid_tgid(), before = h->socket;
	struct thread_socket *last;

	if ((before && !(h->flags & EV_HANDLE_TENTATIVE)) || h->tries >= JOIN_TRIES)
		return;
	h->tries++;
	joins_until_ns = now + JOIN_NS;
	last = bpf_map_lookup_elem(&thread_socket, &thread);
	if (!last || last->ns + 1000000000ULL < now)
		return;
	h->socket = last->id;
	h->reported = 0;
	if (before == last->id)
		h->flags &= ~EV_HANDLE_TENTATIVE;
	else
		h->flags |= EV_HANDLE_TENTATIVE;
}

/* Enters a connection that was first seen through one of its objects.  A function of its own:
 * 6.1 gives 512 bytes of stack to a whole chain of calls, and the entry would not fit beside the
 * rest. */
static __noinline int link_enter(__u64 handle, __u32 pid, __u32 probe, __u64 now)
{
	struct handle_key key = {.handle = handle, .pid = pid, .resource = EV_RES_CONNECTION};
	struct ledger_handle met = {};

	met.born_ns = met.used_ns = now;
	met.rows = UNKNOWN64;
	met.probe = probe;
	met.flags = EV_HANDLE_PRE_EXISTING;
	met.sample = NO_SAMPLE;
	client_put(&links, &key, &met, EV_TABLE_CONNECTIONS);
	return 0;
}

static __always_inline struct ledger_handle *link_meet(__u64 handle, __u32 pid, __u32 probe,
						       __u64 now)
{
	link_enter(handle, pid, probe, now);
	return link_find(handle, pid);
}

/* Counts a release at a site: it was seen, or it was missed and the address came back. */
static __always_inline void site_released(struct site *s, const struct object *o, __u64 handle,
					  int reported)
{
	__sync_fetch_and_add(&s->released, 1);
	sample_give_back(s, o, handle);
	if (reported)
		__sync_fetch_and_add(&s->reported_open, -1);
}

static __always_inline void release_unseen(const struct handle_key *key, const struct object *o,
					   int reported)
{
	struct site *s = client_site_of(o, key->pid);

	if (!s || o->flags & EV_HANDLE_PRE_EXISTING)
		return;
	__sync_fetch_and_add(&s->unseen, 1);
	site_released(s, o, key->handle, reported);
}

static __noinline int tell_closed(__u64 handle, __u32 pid, __u32 resource, __u64 born_ns, __u64 now)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct ev_handle_closed gone = {};

	gone.head.ns = now;
	gone.head.kind = EV_HANDLE_CLOSED;
	gone.head.size = sizeof(gone);
	gone.start_ns = task_start(task);
	gone.handle = handle;
	gone.born_ns = born_ns;
	gone.pid = pid;
	gone.resource = resource;
	emit_of(pid, &gone, sizeof(gone));
	return 0;
}

static __always_inline __u64 rows_of(const struct probe *p, __u64 handle)
{
	__u64 rows = 0;

	if (p->rows_at == UNKNOWN32)
		return UNKNOWN64;
	return bpf_probe_read_user(&rows, 8, (void *)(handle + p->rows_at)) ? UNKNOWN64 : rows;
}

/* Does the text begin a transaction? */
static __always_inline int begins(__u64 text)
{
	struct client_text *t = bpf_map_lookup_elem(&texts, &text);
	__u64 word;

	if (!t)
		return 0;
	__builtin_memcpy(&word, t->bytes, sizeof(word));
	word |= 0x2020202020202020ULL;
	return (word & 0xffffffffffULL) == W6('b', 'e', 'g', 'i', 'n', 0) ||
	       word == W8('s', 'a', 'v', 'e', 'p', 'o', 'i', 'n');
}

/* Is it a BEGIN that a driver puts before a statement just prepared?  That statement is the better
 * text. */
static __always_inline int is_prelude(const struct ledger_handle *parent, __u64 now)
{
	return parent->latest && now - parent->used_ns <= PRELUDE_NS;
}

static __always_inline void link_reported(struct ledger_handle *h, const struct call *call,
					  __u64 text, __u64 stack, __u64 now)
{
	if (!begins(text)) {
		h->latest = text;
		return;
	}
	if (!is_prelude(h, now))
		h->latest = text;
	h->begun_at = stack ? stack : call_stack(call);
}

/* A connection got an object of its own: a result, a statement. */
static __always_inline void link_got(const struct probe *p, const struct call *call, __u32 pid,
				     __u64 text, __u64 stack, __u64 now)
{
	struct ledger_handle *parent = link_find(call->parent, pid);

	if (!parent && call->parent)
		parent = link_meet(call->parent, pid, call->probe, now);
	if (!parent)
		return;
	parent->acquired++;
	if (text)
		link_reported(parent, call, text, stack, now);
	parent->used_ns = now;
	if (p->flags & PROBE_JOINS && parent->tries < JOIN_TRIES && !parent->socket &&
	    !client_join(parent, call)) {
		parent->tries++;
		joins_until_ns = now + JOIN_NS;
	}
	if (p->flags & PROBE_AFTER)
		join_after(parent, now);
}

/* Was the object entered by a call inside this one?  If not, its address came back: its release was
 * missed. */
static __always_inline int told_inside(const struct call *call, const struct object *old)
{
	return call->ns && old->born_ns >= call->ns;
}

/* Enters a connection.  Not 0: it counts already, or there is no room. */
/* Not inlined, for the same reason as link_enter. */
static __noinline long link_put(const struct handle_key *key, const struct call *call,
				const struct object *o, __u64 stack)
{
	struct ledger_handle fresh = {.object = *o, .used_ns = o->born_ns, .opened_at = stack},
			     *old;
	long err;

	client_join(&fresh, call);
	err = client_put(&links, key, &fresh, EV_TABLE_CONNECTIONS);
	if (err != -EEXIST)
		return err;
	old = link_find(key->handle, key->pid);
	if (!old)
		return err;
	if (told_inside(call, &old->object))
		return err;
	release_unseen(key, &old->object, old->reported);
	*old = fresh;
	return 0;
}

static __always_inline long object_put(const struct handle_key *key, const struct call *call,
				       const struct object *o)
{
	long err = client_put(&handles, key, o, EV_TABLE_OBJECTS);
	struct object *old;

	if (err != -EEXIST)
		return err;
	old = bpf_map_lookup_elem(&handles, key);
	if (!old)
		return err;
	if (told_inside(call, old))
		return err;
	release_unseen(key, old, old->sample == SAMPLE_REPORTED);
	*old = *o;
	return 0;
}

/* Returns the process's resident pages, measured every RUN_NS only, because statements may come
 * fast. */
static __always_inline __u32 resident_lately(struct site *s, __u64 now)
{
	if (now - s->resident_ns < RUN_NS)
		return s->resident_pages;
	s->resident_ns = now;
	s->resident_pages = ledger_resident() / PAGE_BYTES;
	return s->resident_pages;
}

static __always_inline void acquired(const struct probe *p, const struct call *call, __u64 handle)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct handle_key key = {.handle = handle, .pid = task->tgid, .resource = p->resource};
	__u64 stack = interpreted_stack(task, call);
	__u64 place = stack & STACK_INTERPRETED ? stack : call->caller;
	struct site *s = site_enter(p, task, call, place);
	int is_link = p->resource == EV_RES_CONNECTION;
	struct object fresh = {};

	if (!s)
		return;
	if (!handle) {
		__sync_fetch_and_add(&s->failed, 1);
		return;
	}
	fresh.born_ns = bpf_ktime_get_boot_ns();
	fresh.parent = call->parent;
	fresh.place = place;
	fresh.rows = rows_of(p, handle);
	fresh.tid = task->pid;
	fresh.probe = call->probe;
	if (p->database == EV_DB_SQLITE && p->resource == EV_RES_STATEMENT)
		fresh.before_pages = resident_lately(s, fresh.born_ns);
	if (p->flags & PROBE_UNREAD)
		fresh.flags = EV_HANDLE_UNREAD;
	if (!stack)
		stack = sampled_stack(s, call, fresh.born_ns);
	if (stack) {
		s->stack = stack;
		s->stack_ns = fresh.born_ns;
	}
	fresh.sample = is_link ? NO_SAMPLE : sample_take(s, handle, stack);
	if (call->text)
		fresh.text = text_of(p, call);
	if (is_link ? link_put(&key, call, &fresh, stack) : object_put(&key, call, &fresh)) {
		sample_give_back(s, &fresh, handle);
		return;
	}
	link_got(p, call, key.pid, fresh.text, stack, fresh.born_ns);
	__sync_fetch_and_add(&s->acquired, 1);
	s->last_ns = fresh.born_ns;
	if (!s->first_ns)
		s->first_ns = fresh.born_ns;
	if (fresh.rows != UNKNOWN64)
		__sync_fetch_and_add(&s->rows, fresh.rows);
}

/* Removes a connection that was closed: at once, or (PROBE_ZOMBIE) when its last object is gone. */
static __always_inline void link_let_go(__u64 handle, __u32 pid, struct ledger_handle *h, __u64 now)
{
	struct handle_key key = {.handle = handle, .pid = pid, .resource = EV_RES_CONNECTION};

	if (h->reported)
		tell_closed(handle, pid, EV_RES_CONNECTION, h->born_ns, now);
	now = h->born_ns; /* h goes with its entry */
	if (!bpf_map_delete_elem(&links, &key))
		share_give(pid, now, EV_TABLE_CONNECTIONS);
}

static __always_inline void link_released(const struct probe *p, __u64 handle, __u32 pid)
{
	struct ledger_handle *h = link_find(handle, pid);
	struct site *s;

	if (!h)
		return;
	s = client_site_of(&h->object, pid);
	if (s && !(h->flags & (EV_HANDLE_PRE_EXISTING | EV_HANDLE_ZOMBIE)))
		site_released(s, &h->object, handle, h->reported);
	if (p->flags & PROBE_ZOMBIE && h->acquired > h->released) {
		h->flags |= EV_HANDLE_ZOMBIE;
		h->reported = 0;
		return;
	}
	link_let_go(handle, pid, h, bpf_ktime_get_boot_ns());
}

/* Is the ended run of a statement worth a report?  Returns how many rows it had; 0: no.  Not
 * static, like the next two, so that the verifier checks it once. */
__noinline __u64 run_rows(__u64 handle, __u32 rows_at)
{
	struct handle_key key = {.handle = handle,
				 .pid = bpf_get_current_pid_tgid() >> 32,
				 .resource = EV_RES_STATEMENT};
	struct object *o = bpf_map_lookup_elem(&handles, &key);
	__u32 counter = 0, pages;

	if (!o || bpf_probe_read_user(&counter, sizeof(counter), (void *)(handle + rows_at)))
		return 0;
	pages = ledger_resident() / PAGE_BYTES;
	/* Each row adds 2 to a counter that begins at 1. */
	if (counter & 1 && counter / 2 >= RUN_ROWS && pages > o->before_pages &&
	    pages - o->before_pages >= RUN_GROWN / PAGE_BYTES)
		return counter / 2;
	o->before_pages = pages;
	o->before_ms = (bpf_ktime_get_boot_ns() - o->born_ns) / 1000000;
	return 0;
}

/* Reports a connection that may be too young to be known, before a record that refers to it. */
__noinline int link_tell(__u64 handle)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct ledger_handle *h = link_find(handle, task->tgid);
	__u32 pid = task->tgid;
	struct process *p = bpf_map_lookup_elem(&processes, &pid);
	struct raw_handle out = {};

	if (!h || !p || h->reported)
		return 0;
	out.head.ns = bpf_ktime_get_boot_ns();
	out.head.kind = RAW_HANDLE;
	out.head.size = sizeof(out);
	out.start_ns = task_start(task);
	__builtin_memcpy(out.comm, p->comm, EV_COMM_LEN);
	out.key.handle = handle;
	out.key.pid = pid;
	out.key.resource = EV_RES_CONNECTION;
	out.handle = *h;
	h->reported = !emit_of(pid, &out, sizeof(out));
	return 0;
}

__noinline int run_tell(__u64 handle, __u64 rows, __u64 stack)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct raw_run out = {};
	struct object *o;

	out.key.handle = handle;
	out.key.pid = task->tgid;
	out.key.resource = EV_RES_STATEMENT;
	o = bpf_map_lookup_elem(&handles, &out.key);
	if (!o)
		return 0;
	out.head.ns = bpf_ktime_get_boot_ns();
	out.head.kind = RAW_RUN;
	out.head.size = sizeof(out);
	out.start_ns = task_start(task);
	out.parent = o->parent;
	out.born_ns = o->born_ns;
	out.text = o->text;
	out.rows = rows;
	out.before_ns = o->born_ns + (__u64)o->before_ms * 1000000;
	out.before_bytes = (__u64)o->before_pages * PAGE_BYTES;
	out.after_bytes = ledger_resident();
	out.stack = stack;
	out.probe = o->probe;
	o->before_pages = out.after_bytes / PAGE_BYTES;
	o->before_ms = (out.head.ns - o->born_ns) / 1000000;
	emit_of(out.key.pid, &out, sizeof(out));
	return 0;
}

/* The rows of a statement have ended. */
static __always_inline void run_ended(const struct probe *p, const struct object *o, __u64 handle,
				      __u64 now)
{
	__u64 parent = o->parent, rows;

	if (p->rows_at == UNKNOWN32 || now - o->born_ns < RUN_NS + (__u64)o->before_ms * 1000000)
		return;
	rows = run_rows(handle, p->rows_at);
	if (!rows)
		return;
	link_tell(parent);
	run_tell(handle, rows, stack_take(0));
}

static __always_inline void rewound(const struct probe *p, __u64 handle)
{
	struct handle_key key = {
		.handle = handle, .pid = bpf_get_current_pid_tgid() >> 32, .resource = p->resource};
	struct object *o = bpf_map_lookup_elem(&handles, &key);

	if (o)
		run_ended(p, o, handle, bpf_ktime_get_boot_ns());
}

static __always_inline void object_released(const struct probe *p, __u64 handle, __u32 pid)
{
	struct handle_key key = {.handle = handle, .pid = pid, .resource = p->resource};
	struct object *o = bpf_map_lookup_elem(&handles, &key);
	__u64 now = bpf_ktime_get_boot_ns(), of, born;
	struct ledger_handle *parent;
	struct site *s;
	int reported;

	if (!o)
		return;
	run_ended(p, o, handle, now);
	reported = o->sample == SAMPLE_REPORTED;
	s = client_site_of(o, pid);
	if (s)
		site_released(s, o, handle, reported);
	if (reported)
		tell_closed(handle, pid, p->resource, o->born_ns, now);
	of = o->parent; /* o goes with its entry */
	born = o->born_ns;
	if (!bpf_map_delete_elem(&handles, &key))
		share_give(pid, born, EV_TABLE_OBJECTS);
	parent = link_find(of, pid);
	if (!parent)
		return;
	parent->released++;
	parent->used_ns = now;
	if (parent->flags & EV_HANDLE_ZOMBIE && parent->acquired <= parent->released)
		link_let_go(of, pid, parent, now);
}

static __always_inline void released(const struct probe *p, __u64 handle)
{
	__u32 pid = bpf_get_current_pid_tgid() >> 32;

	if (!handle)
		return;
	if (p->resource == EV_RES_CONNECTION)
		link_released(p, handle, pid);
	else
		object_released(p, handle, pid);
}

static __always_inline void link_used(const struct probe *p, const struct call *call, __u32 pid)
{
	struct ledger_handle *h = link_find(call->handle, pid);

	if (!h)
		return;
	if (call->text)
		link_reported(h, call, text_of(p, call), 0, bpf_ktime_get_boot_ns());
	h->used_ns = bpf_ktime_get_boot_ns();
	if (p->flags & PROBE_JOINS)
		client_join(h, call);
}

/* Handles the use of a connection that waits for its socket, or of an object that gets its text. */
static __always_inline void used(const struct probe *p, const struct call *call)
{
	struct handle_key key = {.handle = call->handle,
				 .pid = bpf_get_current_pid_tgid() >> 32,
				 .resource = p->resource};
	struct object *o;

	if (p->resource == EV_RES_CONNECTION) {
		link_used(p, call, key.pid);
		return;
	}
	o = bpf_map_lookup_elem(&handles, &key);
	if (o && call->text)
		o->text = text_of(p, call);
}

static __always_inline void finish(const struct probe *p, const struct call *call, __u64 handle)
{
	if (p->role == PROBE_ACQUIRE)
		acquired(p, call, handle);
	else if (p->role == PROBE_RELEASE)
		released(p, call->handle);
	else if (p->role == PROBE_USE)
		used(p, call);
	else if (p->role == PROBE_REWIND)
		rewound(p, call->handle);
}

static __always_inline int client_is_inside(const struct probe *p, __u64 stack)
{
	return p->flags & PROBE_STATIC && calls_inside(stack);
}

/* The top of the stack, read once: each read costs as much as all map look-ups. */
struct top {
	__u64 at; /* 0: not read */
	__u64 words[TOP_WORDS];
};

static __always_inline void top_read(struct top *top, __u64 stack)
{
	if (!bpf_probe_read_user(top->words, sizeof(top->words), (void *)stack))
		top->at = stack;
}

/* Returns the return address that the program put into the slot. */
static __always_inline __u64 return_address(const struct top *top, __u64 slot)
{
	__u64 address = replaced_address(slot), below = slot - top->at;

	if (address)
		return address;
	if (top->at && below < sizeof(top->words))
		return top->words[below / 8 & (TOP_WORDS - 1)];
	if (bpf_probe_read_user(&address, 8, (void *)slot))
		count(COUNTER_LOSS + EV_LOSS_READ_FAULT);
	return address;
}

/* Returns the row whose function made this call.  Several functions of the table may call the same
 * inner function, and be probed there. */
static __always_inline struct probe *probe_of(struct pt_regs *ctx, __u32 *index, struct top *top)
{
	struct probe *p = bpf_map_lookup_elem(&probes, index);
	__s64 outer;
	int i;

	if (!p || !p->outer)
		return p;
	top_read(top, ctx->sp);
	outer = return_address(top, ctx->sp) - ctx->ip;
	for (i = 0; i < OUTERS_MOST && p; i++) {
		if (p->outer == outer)
			return p;
		*index = p->next;
		p = *index ? bpf_map_lookup_elem(&probes, index) : NULL;
	}
	return NULL;
}

static __always_inline void note_text(struct pt_regs *ctx, const struct probe *p, struct call *call)
{
	__s32 length = argument(ctx, p, p->text_length);

	call->text = argument(ctx, p, p->text);
	call->text_most = length > 0 ? length : 0;
}

/* Handles a call whose end is not awaited. */
static __always_inline void pass(struct pt_regs *ctx, const struct probe *p, const struct top *top)
{
	struct call call = {.code = ctx->ip - p->before, .slot = ctx->sp + p->stack};

	if (minds_itself(p)) {
		call.caller = return_address(top, ctx->sp + p->stack);
		if (from_itself(p, &call))
			return;
	}
	call.handle = argument(ctx, p, p->handle);
	note_text(ctx, p, &call);
	if (p->flags & PROBE_JOINS) { /* no end is seen */
		call.ns = bpf_ktime_get_boot_ns();
		joins_until_ns = call.ns + JOIN_NS;
	}
	finish(p, &call, 0);
}

static __always_inline void client_begin(struct pt_regs *ctx, const struct probe *p, __u32 index,
					 const struct top *top)
{
	__u64 address = return_address(top, ctx->sp);
	struct call *call = call_begin(ctx->sp, address);

	if (!call)
		return;
	call->code = ctx->ip - p->before;
	call->outer = ctx->sp + p->stack;
	call->caller = p->stack ? return_address(top, call->outer) : address;
	call->probe = index;
	call->inside = p->role == PROBE_INSIDE;
	call->handle = argument(ctx, p, p->handle);
	note_text(ctx, p, call);
	call->parent = argument(ctx, p, p->parent);
	if (!(p->flags & PROBE_JOINS) && p->resource != EV_RES_CONNECTION)
		return;
	call->ns = bpf_ktime_get_boot_ns();
	if (p->flags & PROBE_JOINS && p->resource == EV_RES_CONNECTION)
		joins_until_ns = call->ns + JOIN_NS;
}

SEC("uprobe")
int client_entered(struct pt_regs *ctx)
{
	__u32 index = bpf_get_attach_cookie(ctx);
	struct top top = {};
	struct probe *p = probe_of(ctx, &index, &top);
	__u64 *n = bpf_map_lookup_elem(&hits, &index);

	if (!p || !n)
		return 0;
	__sync_fetch_and_add(n, 1); /* another thread may count at once */
	if (p->role == PROBE_COUNT || bpf_get_current_pid_tgid() >> 32 == settings.self ||
	    client_is_inside(p, ctx->sp))
		return 0;
	if (p->flags & PROBE_RETURNS)
		client_begin(ctx, p, index, &top);
	else
		pass(ctx, p, &top);
	return 0;
}

static __always_inline int succeeded(const struct probe *p, __s32 result)
{
	return p->success == SUCCESS_ZERO ? result == 0
					  : p->success != SUCCESS_POSITIVE || result > 0;
}

/* A call ends.  A failed acquire counts as such; its result is no object. */
static __always_inline void end(const struct probe *p, const struct call *call, __u64 result)
{
	__u64 handle = 0;

	if (!succeeded(p, result)) {
		if (p->role == PROBE_ACQUIRE)
			acquired(p, call, 0);
		return;
	}
	if (p->handle == FROM_RETURN)
		handle = result;
	else if (p->handle & FROM_OUT && call->handle && /* NULL: the caller does not want it */
		 bpf_probe_read_user(&handle, 8, (void *)call->handle))
		count(COUNTER_LOSS + EV_LOSS_READ_FAULT);
	finish(p, call, handle);
}

SEC("uprobe")
int client_left(struct pt_regs *ctx)
{
	__u64 cookie = bpf_get_attach_cookie(ctx), *n;
	__u32 key = EXIT_PROBE(
		cookie); /* one key for all look-ups: 6.1 counts each byte of the stack */
	struct probe *p = bpf_map_lookup_elem(&probes, &key);
	struct call *call;

	key = HITS_OF_EXITS(key);
	n = bpf_map_lookup_elem(&hits, &key);
	if (!p || !n)
		return 0;
	__sync_fetch_and_add(n, 1);
	if (p->role == PROBE_COUNT || !is_end(cookie, ctx->flags))
		return 0;
	call = call_end(cookie, p, ctx->sp + EXIT_HEIGHT(cookie));
	if (!call)
		return 0;
	if (call->probe != EXIT_PROBE(cookie)) {
		key = call->probe;
		p = bpf_map_lookup_elem(&probes, &key);
	}
	if (EXIT_HEIGHT(cookie)) /* not at the very end */
		call->outer = 0;
	if (p && p->role != PROBE_INSIDE && !from_itself(p, call))
		end(p, call, exit_result(ctx, cookie));
	return 0;
}

/* Fills in an object in the form that user space reads. */
static __always_inline void show_object(struct ledger_handle *out, const struct object *o,
					__u64 stack)
{
	out->object = *o;
	out->opened_at = stack;
	out->used_ns = o->born_ns;
	out->reported = o->sample == SAMPLE_REPORTED;
}

static __always_inline struct object *sample_find(const struct site_key *at, const struct site *s,
						  __u32 i, struct handle_key *key)
{
	key->handle = s->sample[i];
	key->pid = at->pid;
	key->resource = s->resource;
	return bpf_map_lookup_elem(&handles, key);
}

/* A pass over the samples of a site. */
struct sampling {
	struct seq_file *seq;
	const struct site_key *at;
	struct site *site;
	const struct process *process;
};

/* Reports an object that outlived the grace period and was not reported yet.  Not 0: report no more
 * of them now. */
static __always_inline long tell_sample(struct sampling *of, __u32 i)
{
	struct site *s = of->site;
	struct raw_handle out = {};
	struct handle_key key = {};
	struct object *o;
	__u64 now;

	if (i >= SITE_SAMPLES || !(s->sampled & 1U << i))
		return 0;
	now = bpf_ktime_get_boot_ns();
	o = sample_find(of->at, s, i, &key);
	if (!o || o->sample == SAMPLE_REPORTED || now - o->born_ns < settings.grace_ns)
		return 0;
	out.head.ns = now;
	out.head.kind = RAW_HANDLE;
	out.head.size = sizeof(out);
	out.start_ns = s->start_ns;
	__builtin_memcpy(out.comm, of->process->comm, EV_COMM_LEN);
	out.key = key;
	show_object(&out.handle, o, s->sample_at[i]);
	if (sweep_write(of->seq, &out, sizeof(out))) {
		s->no_room = 1;
		return 1;
	}
	o->sample = SAMPLE_REPORTED; /* at once: its release must be reported, too */
	__sync_fetch_and_add(&s->reported_open, 1);
	__sync_fetch_and_or(&s->telling, 1U << i);
	return s->reported_open > SITE_REPORTED;
}

static long tell_one(struct bpf_map *map, const __u32 *i, __u32 *unused, void *of)
{
	return tell_sample(of, *i);
}

/* A callback for each sample: in a loop the verifier of 6.1 follows all paths of each round, and
 * never ends.  bpf_loop takes callbacks only from 5.17 on. */
static __always_inline void tell_samples(struct seq_file *seq, const struct site_key *at,
					 struct site *s, const struct process *p)
{
	struct sampling of = {.seq = seq, .at = at, .site = s, .process = p};

	bpf_for_each_map_elem(&sample_numbers, tell_one, &of, 0);
}

/* Takes back the report of a sample, because the written records were thrown away. */
static long untell_one(struct bpf_map *map, const __u32 *number, __u32 *unused, void *context)
{
	struct sampling *of = context;
	struct site *s = of->site;
	__u32 i = *number;
	struct handle_key key = {};
	struct object *o;

	if (i >= SITE_SAMPLES || !(s->telling & 1U << i))
		return 0;
	o = sample_find(of->at, s, i, &key);
	if (!o || o->sample != SAMPLE_REPORTED)
		return 0;
	o->sample = i;
	__sync_fetch_and_add(&s->reported_open, -1);
	__sync_fetch_and_and(&s->telling, ~(1U << i));
	return 0;
}

static __always_inline void untell_samples(const struct site_key *at, struct site *s)
{
	struct sampling of = {.at = at, .site = s};

	bpf_for_each_map_elem(&sample_numbers, untell_one, &of, 0);
}

/* Frees the places of reported samples for later objects: they show whether more keep coming, and
 * how. */
static __always_inline void client_make_room(struct site *s)
{
	__u32 reported = s->telling;

	__sync_fetch_and_and(&s->sampled, ~reported);
}

static __always_inline int tell_site(struct seq_file *seq, const struct site_key *key,
				     struct site *s, struct process *p, int gone)
{
	struct raw_site out = {};
	__u64 sum = s->acquired + s->released + s->unseen + s->failed + 1;

	if (!gone && (s->reported == sum || s->unwanted))
		return 0;
	out.gone = gone;
	out.head.ns = bpf_ktime_get_boot_ns();
	out.head.kind = RAW_SITE;
	out.head.size = sizeof(out);
	out.key = *key;
	out.start_ns = s->start_ns;
	out.first_ns = s->first_ns;
	out.last_ns = s->last_ns;
	out.acquired = s->acquired;
	out.released = s->released;
	out.unseen = s->unseen;
	out.failed = s->failed;
	out.rows = s->rows;
	out.unwanted = s->unwanted;
	out.resource = s->resource;
	out.database = s->database;
	out.caller = s->caller;
	out.stack = s->stack != s->stack_reported ? s->stack : 0;
	if (p)
		__builtin_memcpy(out.comm, p->comm, EV_COMM_LEN);
	if (sweep_write(seq, &out, sizeof(out))) {
		s->no_room = 1;
		return 0;
	}
	s->reported = sum;
	if (out.stack)
		s->stack_reported = out.stack;
	if (p)
		p->reported = 1;
	return 0;
}

static __always_inline void sweep_site(struct seq_file *seq, const struct site_key *key,
				       struct site *s)
{
	struct process *p;
	__u32 pid = key->pid;
	int gone;

	p = bpf_map_lookup_elem(&processes, &pid);
	gone = !p || p->gone || p->start_ns != s->start_ns ||
	       (p->exec_ns > s->last_ns && p->exec_ns > s->made_ns);
	s->telling = s->no_room = 0;
	if (p && s->sampled && (!gone || p->exec_ns <= s->last_ns))
		tell_samples(seq, key, s, p);
	if (!s->no_room)
		tell_site(seq, key, s, p, gone);
	/* If a record does not fit into an iterator's file, all records of this site are thrown
	 * away, and the program runs again for the site.  A ring keeps the earlier records. */
	if (s->no_room && seq)
		untell_samples(key, s);
	client_make_room(s);
}

/* The site is looked up again, because the verifier allows no index into the value that an iterator
 * shows. */
SEC("iter/bpf_map_elem")
int sweep_sites(struct bpf_iter__bpf_map_elem *ctx)
{
	struct seq_file *seq = ctx->meta->seq;
	struct site_key *shown = ctx->key, key;
	struct site *s;

	__builtin_assume(seq != NULL);
	if (!shown)
		return 0;
	key = *shown;
	s = bpf_map_lookup_elem(&sites, &key);
	if (s)
		sweep_site(seq, &key, s);
	return 0;
}

static long walk_site(struct bpf_map *map, struct site_key *key, struct site *s, void *context)
{
	sweep_site(NULL, key, s);
	return walk_full & 1;
}

SEC("syscall")
int walk_sites(void *context)
{
	bpf_for_each_map_elem(&sites, walk_site, NULL, 0);
	return 0;
}

/* Is the process of an object gone, or its program? */
static __always_inline int is_gone(const struct process *p, __u64 born_ns)
{
	return !p || p->gone || p->exec_ns > born_ns;
}

static __always_inline void head_handle(struct raw_handle *out, const struct handle_key *key,
					const struct process *p, int gone)
{
	out->head.ns = bpf_ktime_get_boot_ns();
	out->head.kind = gone ? RAW_DEAD : RAW_HANDLE;
	out->head.size = sizeof(*out);
	out->key = *key;
	if (!p)
		return;
	out->start_ns = p->start_ns;
	__builtin_memcpy(out->comm, p->comm, EV_COMM_LEN);
}

/* Reports a connection that is new, or whose process is gone. */
static __always_inline void sweep_link(struct seq_file *seq, const struct handle_key *key,
				       struct ledger_handle *h)
{
	struct raw_handle out = {};
	struct process *p;
	__u32 pid = key->pid;
	int gone;

	p = bpf_map_lookup_elem(&processes, &pid);
	gone = is_gone(p, h->born_ns);
	if (!gone && (h->reported || bpf_ktime_get_boot_ns() - h->born_ns < settings.grace_ns))
		return;
	head_handle(&out, key, p, gone);
	out.handle = *h;
	if (!sweep_write(seq, &out, sizeof(out)))
		h->reported = 1;
}

SEC("iter/bpf_map_elem")
int sweep_links(struct bpf_iter__bpf_map_elem *ctx)
{
	struct handle_key *key = ctx->key;
	struct ledger_handle *h = ctx->value;

	struct seq_file *seq = ctx->meta->seq;

	__builtin_assume(seq != NULL);
	if (key && h)
		sweep_link(seq, key, h);
	return 0;
}

static long walk_link(struct bpf_map *map, struct handle_key *key, struct ledger_handle *h,
		      void *context)
{
	sweep_link(NULL, key, h);
	return walk_full & 1;
}

SEC("syscall")
int walk_links(void *context)
{
	bpf_for_each_map_elem(&links, walk_link, NULL, 0);
	return 0;
}

/* Reports any other object whose process is gone. */
static __always_inline void sweep_handle(struct seq_file *seq, const struct handle_key *key,
					 const struct object *o)
{
	struct raw_handle out = {};
	struct process *p;
	__u32 pid = key->pid;

	p = bpf_map_lookup_elem(&processes, &pid);
	if (!is_gone(p, o->born_ns))
		return;
	head_handle(&out, key, p, 1);
	show_object(&out.handle, o, 0);
	sweep_write(seq, &out, sizeof(out));
}

SEC("iter/bpf_map_elem")
int sweep_handles(struct bpf_iter__bpf_map_elem *ctx)
{
	struct handle_key *key = ctx->key;
	struct object *o = ctx->value;

	struct seq_file *seq = ctx->meta->seq;

	__builtin_assume(seq != NULL);
	if (key && o)
		sweep_handle(seq, key, o);
	return 0;
}

static long walk_handle(struct bpf_map *map, struct handle_key *key, struct object *o,
			void *context)
{
	sweep_handle(NULL, key, o);
	return walk_full & 1;
}

SEC("syscall")
int walk_handles(void *context)
{
	bpf_for_each_map_elem(&handles, walk_handle, NULL, 0);
	return 0;
}
