# SPDX-License-Identifier: GPL-2.0-only
#
# make deps      install what building and testing needs (Debian 12, root)
# make           build/criu-lite
# make demo      a live program is dumped, gone, restored, and goes on
# make check     all tests; T='file/pipe cli/*' runs only these
# make coverage  what the last make check says of each capability; Documentation/coverage.md
# make house     does the code follow the rules of the house?
# make format    put the layout right
# make stage S=open   that stage, over all kinds
# make bench, make fuzz, make aarch64, make install, make uninstall, make clean
#
# SANITIZE=1 builds and tests with the address and undefined-behaviour
# sanitizers in build/san.  The blobs that run inside other processes are
# always built without.

ARCH    ?= $(shell uname -m)
PREFIX  ?= /usr/local
SBINDIR ?= $(PREFIX)/sbin
CRIUDIR  = $(dir $(SBINDIR))libexec/criu-lite
LIBDIR  ?= $(PREFIX)/lib
INCDIR  ?= $(PREFIX)/include
MANDIR  ?= $(PREFIX)/share/man
COMPDIR ?= $(PREFIX)/share/bash-completion/completions

CC        = gcc
CLANG     = clang
PROTOC_C  = protoc-c
OPT       = -O2 -g
MAKEFLAGS += --no-builtin-rules
ifeq ($(MAKELEVEL),0)
MAKEFLAGS += -j$(shell nproc)
endif

# VERBOSE=1 shows the commands
Q   := $(if $(VERBOSE),,@)
say = $(if $(VERBOSE),,@echo '  $(1)	$(2)')

SANITIZE ?= 0
ifeq ($(SANITIZE),1)
B   := build/san
SAN := -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
else
B   := build
SAN :=
endif

# -- flags -------------------------------------------------------------------

WARN   = -Wall -Wextra -Wshadow -Wmissing-prototypes -Wno-unused-parameter -Werror \
	 -Wno-format-truncation $(if $(findstring clang,$(CC)),-Wno-unknown-warning-option)
INCS   = -Icriu-lite -I. -Icompel/include -Icompel/arch/$(ARCH) -I$(B)/gen
CSTD  := -std=gnu17 -D_GNU_SOURCE
PKGS  := libprotobuf-c libcap libseccomp liblz4 libzstd libxxhash
HOST   = $(CSTD) $(OPT) $(WARN) $(SAN) $(INCS) $(CFLAGS)
LINK   = $(OPT) $(SAN) -pthread $(LDFLAGS) -Wl,--as-needed
LIBS  := $(shell pkg-config --libs $(PKGS) 2>/dev/null)
DEP    = -MMD -MP

# Code that runs inside other processes: no libc, no relocations, no state.
PIE_INCS = -Icriu-lite -Icompel -Icompel/include -Icompel/pie -Icompel/arch/$(1) -Icriu-lite/arch/$(1) -I.
PIE_FLAGS = $(CSTD) -O2 -g $(WARN) -ffreestanding -fPIC -nostdlib -fvisibility=hidden \
	-fno-stack-protector -fno-asynchronous-unwind-tables -fno-builtin -fno-common -fno-strict-aliasing -D__CRIU_LITE_PIE__
PIE_x86_64  := -fcf-protection=none -mgeneral-regs-only -mno-red-zone
PIE_aarch64 := -mgeneral-regs-only -mbranch-protection=none
PIE_gcc     := -fno-tree-loop-distribute-patterns
# relocations stay in the .elf, so that test/house/blob can look at them
PIE_LD    = -static --emit-relocs --no-undefined -z noexecstack --build-id=none --entry=0 \
	$(addprefix -T ,$(wildcard compel/pie/pie.lds))

# -- sources, found by folder ------------------------------------------------

ROOMS    := base core file sock mem task ns
SRC      := $(wildcard criu-lite/*.c $(ROOMS:%=criu-lite/%/*.c) images/*.c compel/src/*.c compel/arch/$(ARCH)/*.c) \
	    $(filter-out criu-lite/arch/$(ARCH)/pie_%.c,$(wildcard criu-lite/arch/$(ARCH)/*.c))
PROTOS   := $(wildcard images/*.proto)
GEN_C    := $(PROTOS:%.proto=$(B)/gen/%.pb-c.c)
GEN_H    := $(GEN_C:.c=.h)
EMBED    := $(B)/obj/parasite_blob.o $(B)/obj/restorer_blob.o
MAIN     := $(B)/obj/criu-lite/main.o
OBJ      := $(SRC:%.c=$(B)/obj/%.o) $(GEN_C:$(B)/gen/%.c=$(B)/obj/gen/%.o)
# the same with the switch for fault injection, where a source has one
INJECTED := $(if $(SRC),$(shell grep -ls CRIU_LITE_INJECT $(SRC)))
TEST_OBJ := $(filter-out $(INJECTED:%.c=$(B)/obj/%.o),$(OBJ)) $(INJECTED:%.c=$(B)/test/obj/%.o)

# Sources of the blob $(1) for CPU $(2); the head comes first, it is the entry.
# The blob "compel" is for the tests of compel, which knows no parasite.
BLOBS     := parasite restorer compel
pie_compel   = $(wildcard compel/arch/$(1)/head.S compel/pie/*.c test/unit/compel_blob.c)
pie_parasite = $(wildcard compel/arch/$(1)/head.S compel/pie/*.c criu-lite/pie/parasite*.c \
	criu-lite/arch/$(1)/pie_vector.c)
pie_restorer = $(if $(wildcard criu-lite/pie/restorer.c),$(wildcard criu-lite/arch/$(1)/*.S \
	criu-lite/arch/$(1)/pie_*.c compel/pie/string*.c) \
	$(filter-out criu-lite/pie/parasite% criu-lite/pie/placeholder%,$(wildcard criu-lite/pie/*.c)))

.PHONY: all library hook deps demo check coverage bench house stage fuzz aarch64 install uninstall clean \
	blobs objects programs tests fuzzers man format

all: $(B)/criu-lite library hook

deps:
	@.ci/deps all

# -- the program -------------------------------------------------------------

$(B)/criu-lite: $(OBJ) $(EMBED)
	$(call say,LD,$@)
	$(Q)$(CC) $(LINK) -o $@ $^ $(LIBS)

$(OBJ) $(TEST_OBJ): | $(GEN_H)
$(B)/obj/compel/% $(B)/test/obj/compel/% build/aarch64/obj/compel/%: INCS += -Icompel/src

$(B)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(HOST) $(DEP) -c -o $@ $<

$(B)/test/obj/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(HOST) $(DEP) -DCRIU_LITE_INJECT -c -o $@ $<

$(B)/obj/gen/%.o: $(B)/gen/%.c
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CSTD) $(OPT) $(SAN) -w -I$(B)/gen $(DEP) -c -o $@ $<

$(B)/gen/%.pb-c.c $(B)/gen/%.pb-c.h: %.proto
	@mkdir -p $(B)/gen
	$(Q)$(PROTOC_C) -I . --c_out=$(B)/gen $<

# -- the library: what programs are linked with that want to checkpoint --------
# Its headers are used as they will be installed, as <criu/...>.

LIB      := $(B)/lib/libcriu-lite.so.2.0
LIB_SRC  := $(wildcard criu-lite/lib/*.c)
LIB_OBJ  := $(LIB_SRC:criu-lite/lib/%.c=$(B)/lib/%.o) $(B)/lib/rpc.pb-c.o
LIB_H    := $(addprefix $(B)/lib/include/criu/,criu.h version.h rpc.pb-c.h)
LIB_LINKS  = libcriu-lite.so.2 libcriu-lite.so
CRIU_LINKS = libcriu.so.2 libcriu.so

library: $(LIB) $(B)/lib/libcriu-lite.a

$(B)/lib/include/criu/%.h: criu-lite/lib/%.h
	@install -D -m 644 $< $@

$(B)/lib/include/criu/rpc.pb-c.h: $(B)/gen/images/rpc.pb-c.h
	@install -D -m 644 $< $@

$(LIB_OBJ): | $(LIB_H)

$(B)/lib/%.o: criu-lite/lib/%.c
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CSTD) $(OPT) $(WARN) $(SAN) -fPIC -I$(B)/lib/include $(DEP) $(CFLAGS) -c -o $@ $<

$(B)/lib/rpc.pb-c.o: $(B)/gen/images/rpc.pb-c.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(CSTD) $(OPT) $(SAN) -fPIC -w -I$(B)/gen -c -o $@ $<

$(LIB): $(LIB_OBJ)
	$(call say,LD,$@)
	$(Q)$(CC) $(LINK) -shared -Wl,-soname,libcriu-lite.so.2 -o $@ $(LIB_OBJ) -lprotobuf-c
	@ln -sf $(@F) $(@D)/libcriu-lite.so.2 && ln -sf $(@F) $(@D)/libcriu-lite.so

$(B)/lib/libcriu-lite.a: $(LIB_OBJ)
	@rm -f $@
	@ar rcs $@ $^

# -- the OCI runtime in front of another one: it runs programs, and has base/ only --

HOOK_OBJ := $(patsubst %.c,$(B)/obj/%.o,$(wildcard oci-hook/*.c))

hook: $(B)/runc-ckpt $(B)/libexec/criu-lite/criu

# the program that waits in a container until it is restored; it has no libc
$(B)/pie/placeholder.bin: criu-lite/pie/placeholder.c
	@mkdir -p $(@D)
	$(call say,PIE,$<)
	$(Q)gcc $(PIE_FLAGS) $(PIE_$(ARCH)) $(PIE_gcc) -fno-pic $(call PIE_INCS,$(ARCH)) -static -no-pie \
		-Wl,-z,noexecstack,--build-id=none -o $@ $<

$(B)/runc-ckpt: $(HOOK_OBJ) $(B)/obj/placeholder_blob.o $(B)/base.a
	$(call say,LD,$@)
	$(Q)$(CC) $(LINK) -o $@ $^ $(shell pkg-config --libs libcap)

# where runc looks for "criu"
$(B)/libexec/criu-lite/criu:
	@mkdir -p $(@D)
	@ln -sf ../../criu-lite $@

# -- the blobs ---------------------------------------------------------------
# $(call blob-rules,NAME,CPU,FOLDER,COMPILER,LINKER)

define blob-rules
$(3)/$(1).elf: $$(patsubst %,$(3)/%.o,$$(basename $$(call pie_$(1),$(2)))) $$(wildcard compel/pie/pie.lds)
	@mkdir -p $$(@D)
	$$(Q)$$(if $$(filter %.o,$$^),$(5) $$(PIE_LD) -o $$@ $$(filter %.o,$$^),: >$$@)
$(3)/$(1).bin: $(3)/$(1).elf test/house/blob
	$$(Q)test/house/blob $$< && if [ -s $$< ]; then objcopy -I elf64-little -O binary $$< $$@; else : >$$@; fi
endef

define pie-rules
$(1)/%.o: %.c
	@mkdir -p $$(@D)
	$$(call say,PIE,$$<)
	$$(Q)$(3) $$(PIE_FLAGS) $$(PIE_$(2)) $$(call PIE_INCS,$(2)) $$(DEP) -c -o $$@ $$<
$(1)/%.o: %.S
	@mkdir -p $$(@D)
	$$(call say,PIE,$$<)
	$$(Q)$(3) -D__ASSEMBLY__ $$(call PIE_INCS,$(2)) $$(DEP) -c -o $$@ $$<
endef

$(eval $(call pie-rules,$(B)/pie,$(ARCH),gcc $(PIE_gcc)))
$(foreach b,$(BLOBS),$(eval $(call blob-rules,$b,$(ARCH),$(B)/pie,gcc,ld --no-warn-rwx-segments)))

$(EMBED) $(B)/obj/compel_blob.o $(B)/obj/placeholder_blob.o: $(B)/obj/%_blob.o: $(B)/pie/%.bin
	@mkdir -p $(@D)
	@printf '%s\n' '.section .rodata' '.balign 4096' '.globl $*_blob, $*_blob_start, $*_blob_end' \
		'$*_blob:' '$*_blob_start:' '.incbin "$<"' '$*_blob_end:' '.byte 0' \
		'.section .note.GNU-stack,"",@progbits' >$(@:.o=.S)
	$(Q)$(CC) -c -o $@ $(@:.o=.S)

objects: $(ARCHIVES) $(HOOK_OBJ)

blobs: $(BLOBS:%=$(B)/pie/%.bin)

# -- the other CPU: compel and all that is freestanding, compiled by clang ------

A    := build/aarch64
A_CC := $(CLANG) --target=aarch64-linux-gnu -Wno-unknown-warning-option -isystem /usr/aarch64-linux-gnu/include
A_SRC := $(wildcard compel/src/*.c compel/arch/aarch64/*.c) \
	 $(filter-out criu-lite/arch/aarch64/pie_%.c,$(wildcard criu-lite/arch/aarch64/*.c))

$(eval $(call pie-rules,$(A)/pie,aarch64,$(A_CC)))
$(foreach b,$(BLOBS),$(eval $(call blob-rules,$b,aarch64,$(A)/pie,$(A_CC),ld.lld -m aarch64linux)))

$(A)/obj/%.o: ARCH := aarch64
$(A)/obj/%.o: %.c | $(GEN_H)
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(A_CC) $(CSTD) -O2 $(WARN) $(INCS) $(DEP) -c -o $@ $<

aarch64: $(A_SRC:%.c=$(A)/obj/%.o) $(BLOBS:%=$(A)/pie/%.bin)

# -- tests -------------------------------------------------------------------

V        := $(B)/test/victims
VICTIMS  := $(patsubst test/%.c,$(V)/%,$(wildcard $(foreach d,file sock mem task ns cli apps compat bench,test/$d/*.c)))
UNITS    := $(patsubst test/%.c,$(B)/test/%,$(filter-out %_blob.c,$(wildcard test/unit/*.c)))
TOOLS    := $(addprefix $(B)/test/,nsinit spawn inside demo)
VICTIM_FLAGS = $(CSTD) -O1 -g -Wall -Wextra -Werror -Wno-unused-parameter -Itest -pthread

$(B)/test/criu-lite: $(TEST_OBJ) $(EMBED)
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(LINK) -o $@ $^ $(LIBS)

$(VICTIMS): $(V)/%: test/%.c test/victim.h
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(VICTIM_FLAGS) -o $@ $< -Wl,--as-needed $(LIBS) -lrt -lm

$(TOOLS): $(B)/test/%: test/%.c
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(VICTIM_FLAGS) -o $@ $< -lutil

# Archives for programs that test a part.  What the two libraries and the ground
# floor need is below them, so their tests are linked with nothing else.
PARTS := rest images compel base
part_images := $(filter $(B)/obj/images/%.o $(B)/obj/gen/%.o,$(OBJ))
part_compel := $(filter $(B)/obj/compel/%.o,$(OBJ)) $(B)/obj/compel_blob.o
part_base   := $(filter $(B)/obj/criu-lite/base/%.o,$(OBJ))
part_rest   := $(filter-out $(MAIN) $(part_images) $(part_compel) $(part_base),$(OBJ) $(EMBED))
ARCHIVES    := $(PARTS:%=$(B)/%.a)

.SECONDEXPANSION:
$(ARCHIVES): $(B)/%.a: $$(part_$$*)
	@rm -f $@
	@ar rcs $@ $^

# test/unit/images_test.c needs images and base: told by the beginning of its name
parts_base   := base
parts_image  := images base
parts_compel := compel base
part_names    = $(or $(strip $(foreach p,base image compel,$(if $(filter $p%,$(1)),$(parts_$p)))),$(PARTS))
parts_of      = $(patsubst %,$(B)/%.a,$(call part_names,$(1)))

$(UNITS): $(B)/test/unit/%: test/unit/%.c $$(call parts_of,$$*)
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(HOST) -Itest $(DEP) -MF $@.d $(LINK) -o $@ $< $(filter %.a,$^) $(LIBS)

programs: library hook $(if $(wildcard criu-lite/main.c),$(B)/criu-lite $(B)/test/criu-lite) blobs $(TOOLS)
tests: programs $(VICTIMS) $(UNITS)

check: deps
	@$(MAKE) --no-print-directory -k tests
	@test/run $(B) $(T)

coverage:
	@test/coverage $(B)

demo:
	@.ci/deps build
	@$(MAKE) --no-print-directory --silent programs
	@test/demo.sh $(B)

bench: deps
	@test -x test/bench/run || { echo "there is no test/bench/run"; exit 1; }
	@$(MAKE) --no-print-directory tests
	@test/bench/run $(B)

house: deps
	@$(MAKE) --no-print-directory --silent blobs objects
	@test/house/run $(B)

format:
	git ls-files -co --exclude-standard '*.c' '*.h' | xargs -r clang-format -i

stage:
	@test/house/stage $(S)

# Each parser of test/fuzz, FUZZ_SECONDS long.
FUZZ_SECONDS ?= 20
FUZZERS := $(patsubst test/%.c,$(B)/%,$(wildcard test/fuzz/*.c))

$(FUZZERS): $(B)/fuzz/%: test/fuzz/%.c $$(call parts_of,$$*)
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(HOST) -fsanitize=fuzzer $(LINK) -o $@ $< $(filter %.a,$^) $(LIBS)

fuzzers: $(FUZZERS)

fuzz: deps
	@$(MAKE) --no-print-directory fuzzers B=build/fuzz CC=$(CLANG) \
		SAN='-fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=undefined'
	@$(MAKE) --no-print-directory programs build/test/victims/cli/everything
	@test/fuzz/run build/fuzz $(FUZZ_SECONDS)

# -- install -----------------------------------------------------------------

$(B)/%.8: Documentation/%.8.md
	@mkdir -p $(@D)
	$(call say,MAN,$<)
	$(Q)pandoc -s -f markdown-smart -t man -o $@ $<

PAGES := $(patsubst Documentation/%.md,$(B)/%,$(wildcard Documentation/*.8.md))

man: $(PAGES)

# CRIU=1: also under CRIU's names, for programs and engines that know only these.
# Completions and the manual are those of criu-lite.
install: $(B)/criu-lite library hook $(if $(shell command -v pandoc),man)
	@install -D -m 755 $(B)/criu-lite $(DESTDIR)$(SBINDIR)/criu-lite
	@install -D -m 755 $(B)/runc-ckpt $(DESTDIR)$(SBINDIR)/runc-ckpt
	@install -d $(DESTDIR)$(CRIUDIR)
	@ln -sf ../../$(notdir $(SBINDIR))/criu-lite $(DESTDIR)$(CRIUDIR)/criu
	@for m in $(wildcard $(PAGES)) $(if $(shell command -v pandoc),$(PAGES)); do \
		install -D -m 644 $$m $(DESTDIR)$(MANDIR)/man8/$${m##*/}; done
	@install -D -m 755 $(LIB) $(DESTDIR)$(LIBDIR)/$(notdir $(LIB))
	@install -D -m 644 $(B)/lib/libcriu-lite.a $(DESTDIR)$(LIBDIR)/libcriu-lite.a
	@install -d $(DESTDIR)$(INCDIR)/criu $(DESTDIR)$(LIBDIR)/pkgconfig
	@install -m 644 $(LIB_H) $(DESTDIR)$(INCDIR)/criu
	@for l in $(LIB_LINKS) $(if $(CRIU),$(CRIU_LINKS)); do ln -sf $(notdir $(LIB)) $(DESTDIR)$(LIBDIR)/$$l; done
	@for m in criu-lite $(if $(CRIU),criu); do sed -e 's|@PREFIX@|$(PREFIX)|; s|@LIBDIR@|$(LIBDIR)|; s|@INCDIR@|$(INCDIR)|' \
		-e "s|@LIB@|$$m|" criu-lite/lib/criu-lite.pc.in >$(DESTDIR)$(LIBDIR)/pkgconfig/$$m.pc; done
	@install -D -m 644 criu-lite/completion.bash $(DESTDIR)$(COMPDIR)/criu-lite
	$(if $(CRIU),@ln -sf criu-lite $(DESTDIR)$(SBINDIR)/criu)

uninstall:
	@rm -f $(addprefix $(DESTDIR)$(LIBDIR)/,$(notdir $(LIB)) libcriu-lite.a $(LIB_LINKS) pkgconfig/criu-lite.pc)
	@rm -f $(DESTDIR)$(COMPDIR)/criu-lite
	@rm -f $(addprefix $(DESTDIR)$(INCDIR)/criu/,$(notdir $(LIB_H)))
	@rmdir $(DESTDIR)$(INCDIR)/criu 2>/dev/null || :
	@for l in $(addprefix $(DESTDIR)$(LIBDIR)/,$(CRIU_LINKS)) $(DESTDIR)$(SBINDIR)/criu; do \
		case $$(readlink $$l) in criu-lite|$(notdir $(LIB))) rm -f $$l ;; esac; done
	@grep -qs criu-lite $(DESTDIR)$(LIBDIR)/pkgconfig/criu.pc && rm -f $(DESTDIR)$(LIBDIR)/pkgconfig/criu.pc || :
	@rm -f $(addprefix $(DESTDIR),$(SBINDIR)/criu-lite $(SBINDIR)/runc-ckpt $(CRIUDIR)/criu)
	@rmdir $(DESTDIR)$(CRIUDIR) 2>/dev/null || :
	@rm -f $(PAGES:$(B)/%=$(DESTDIR)$(MANDIR)/man8/%)

clean:
	rm -rf build

-include $(LIB_OBJ:.o=.d) $(HOOK_OBJ:.o=.d) $(OBJ:.o=.d) $(TEST_OBJ:.o=.d) $(UNITS:=.d) $(FUZZERS:=.d) $(A_SRC:%.c=$(A)/obj/%.d)
-include $(wildcard $(B)/pie/*/*/*.d $(B)/pie/*/*/*/*.d $(A)/pie/*/*/*.d $(A)/pie/*/*/*/*.d)
