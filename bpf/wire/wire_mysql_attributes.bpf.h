/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later */
/*
 * wire_mysql_attributes.bpf.h - the query attributes that stand before the text of a COM_QUERY.
 *
 * Source: MySQL 8.0.23 and newer, "COM_QUERY", CLIENT_QUERY_ATTRIBUTES.  libmysqlclient and
 * Connector/J agree on them with every server that knows them, so most texts have none of them
 * before them, but the two numbers that say so:
 *
 *    number of attributes, number of sets (1)
 *    if there are attributes: which are NULL, a bit each; 1; type, flag and name of each; values
 *
 * Of names and values only the lengths are read.
 */
#include "bpf/wire/wire.bpf.h"

#define ATTRIBUTES_HEAD	   2	   /* the two numbers */
#define ATTRIBUTES_MOST	   8	   /* a text behind more of them is not read */
#define ATTRIBUTES_UNKNOWN 0x10000 /* where the text begins is not known */

/* Types of values, as field types of the protocol are numbered. */
enum {
	MY_TINY = 1,
	MY_SHORT = 2,
	MY_LONG = 3,
	MY_FLOAT = 4,
	MY_DOUBLE = 5,
	MY_NULL = 6,
	MY_TIMESTAMP = 7,
	MY_LONGLONG = 8,
	MY_INT24 = 9,
	MY_DATE = 10,
	MY_TIME = 11,
	MY_DATETIME = 12,
	MY_YEAR = 13,
	MY_VARCHAR = 15,
	MY_JSON = 245, /* from here on all are texts or bytes behind their length */
};

/* Do these first two bytes of a COM_QUERY say how many attributes it has?  No SQL begins so. */
static __always_inline int my_has_attributes(const __u8 *text)
{
	return text[0] < '\t' && text[1] == 1;
}

/* Steps over type, flag and name of an attribute, at c->name_end behind from.  Returns its type;
 * ATTRIBUTES_UNKNOWN when it is not whole in the there bytes at hand. */
__noinline __u32 my_attribute_name(struct tracked_connection *c, __u64 from, __u32 there)
{
	__u8 head[3] = {};

	if (!c || c->name_end + sizeof(head) > there)
		return ATTRIBUTES_UNKNOWN;
	if (wire_read(head, sizeof(head), from + c->name_end) || head[2] > 250)
		return ATTRIBUTES_UNKNOWN;
	c->name_end += sizeof(head) + head[2];
	return head[0];
}

/* Returns how many bytes a value takes.  head: its first three bytes. */
static __always_inline __u32 my_value_length(__u32 type, const __u8 *head)
{
	switch (type) {
	case MY_TINY:
		return 1;
	case MY_SHORT:
	case MY_YEAR:
		return 2;
	case MY_LONG:
	case MY_INT24:
	case MY_FLOAT:
		return 4;
	case MY_LONGLONG:
	case MY_DOUBLE:
		return 8;
	case MY_NULL:
		return 0;
	case MY_DATE:
	case MY_TIME:
	case MY_DATETIME:
	case MY_TIMESTAMP:
		return 1 + head[0];
	}
	if (type != MY_VARCHAR && type < MY_JSON)
		return ATTRIBUTES_UNKNOWN;
	return head[0] < 0xfb	 ? 1U + head[0]
	       : head[0] == 0xfc ? 3U + (head[1] | (__u32)head[2] << 8)
				 : ATTRIBUTES_UNKNOWN;
}

/* Steps over a value.  Returns 0, or ATTRIBUTES_UNKNOWN. */
__noinline __u32 my_attribute_value(struct tracked_connection *c, __u64 from, __u32 there,
				    __u32 type)
{
	__u8 head[3] = {};
	__u32 length;

	if (!c || c->name_end + sizeof(head) > there)
		return ATTRIBUTES_UNKNOWN;
	if (wire_read(head, sizeof(head), from + c->name_end))
		return ATTRIBUTES_UNKNOWN;
	length = my_value_length(type, head);
	if (length == ATTRIBUTES_UNKNOWN)
		return ATTRIBUTES_UNKNOWN;
	c->name_end += length;
	return 0;
}

/* Returns how many bytes `number` attributes take behind their numbers, or ATTRIBUTES_UNKNOWN when
 * they are not whole in the there bytes at hand. */
static __always_inline __u32 my_attributes(struct tracked_connection *c, __u64 from, __u32 there,
					   __u32 number)
{
	__u64 types = 0;
	__u8 null = 0;
	__u32 i, type;

	if (!number)
		return 0;
	if (number > ATTRIBUTES_MOST || !there || wire_read(&null, 1, from))
		return ATTRIBUTES_UNKNOWN;
	c->name_end = 2; /* what is NULL, and that types follow */
	for (i = 0; i < ATTRIBUTES_MOST && i < number; i++) {
		type = my_attribute_name(c, from, there);
		if (type == ATTRIBUTES_UNKNOWN)
			return ATTRIBUTES_UNKNOWN;
		types |= (__u64)(type & 0xff) << (8 * i);
	}
	for (i = 0; i < ATTRIBUTES_MOST && i < number; i++, types >>= 8, null >>= 1)
		if (!(null & 1) && my_attribute_value(c, from, there, types & 0xff))
			return ATTRIBUTES_UNKNOWN;
	return c->name_end < there ? c->name_end : ATTRIBUTES_UNKNOWN;
}
