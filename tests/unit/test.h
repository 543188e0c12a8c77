/* cmocka with the headers that it needs before itself. */
#ifndef ER_TESTS_UNIT_TEST_H
#define ER_TESTS_UNIT_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#endif
