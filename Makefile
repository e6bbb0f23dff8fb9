# Hanbeot: Korean BERT from raw text. `make help` lists the targets.
#
# Make decides by time whom to ask; a stage decides by content whether there is work (see pipeline/artifact.py).
# The folders tokenizer/, pretrain/ and finetune/ bear targets' names, so the targets are phony and stand on file targets.

ARTIFACTS ?= artifacts
PYTHON ?= python3
VENV ?= .venv
GPUS ?= 1
# Several machines: the same command on each, with their number, this one's (from 0), and where the first one listens:
# NODES=2 NODE=1 MAIN=10.0.0.1:29500. GPUS is those of one machine. Not from the environment: others use these names.
NODES = 1
NODE = 0
MAIN =
# What is on each GPU: a whole model (ddp), a part of it (fsdp), or the weights and a part of what else training keeps
# (deepspeed: pip install 'hanbeot[deepspeed]').
LAUNCH ?= ddp
TEXT ?= 이순신은 [MASK] 중기의 무신이다.

# Names that other programs use in the environment count only when they are given to make.
given = $(if $(filter command line,$(origin $(1))),$($(1)))

# Make cuts names at spaces, and the shell reads quotes.
UNFIT := $(strip $(foreach name,ARTIFACTS MODEL OUT RECIPE $(if $(call given,NAME),NAME),$(if $(or $(word 2,$($(name))), \
	$(findstring ',$($(name))),$(findstring ",$($(name)))),$(name))))
$(if $(UNFIT),$(error $(UNFIT): a name with spaces or quotes is not for make: give it to the command, for example python -m probes.ask --model "...". README.md lists them))

# A NAME stands for the RECIPE, CORPUS and SET it was last asked with, unless they are given again: `make pretrain NAME=law`
# goes on with law, it does not put the sample in its place. Once a run has begun it is what the run was begun with: a refused
# call is not remembered. Without a NAME it is the recipe's.
last = $(shell sed -n 's/^$(1)=//p' '$(ARTIFACTS)/.asked/$(2).last' 2>/dev/null)
LAST_RECIPE := $(if $(call given,NAME),$(call last,RECIPE,$(NAME)))
RECIPE ?= $(or $(LAST_RECIPE),sample)
ifneq ($(origin NAME),command line)
NAME := $(basename $(notdir $(RECIPE)))
endif
LAST_CORPUS := $(call last,CORPUS,$(NAME))
LAST_SET := $(call last,SET,$(NAME))
CORPUS ?= $(or $(LAST_CORPUS),corpora/sample)
SET ?= $(LAST_SET)

# How text is worked on: flags of corpora.build, tokenizer.train and pretrain.examples, for example WORK="--workers 4" or
# WORK="--scheduler tcp://host:8786".
WORK ?=
# How training runs: flags of pretrain.train, for example RUN="--micro-batch 32".
RUN ?=
# What is exported and where to: flags of pretrain.export, for example EXPORT="--license cc-by-sa-4.0 --onnx --int8".
EXPORT ?=
MODEL ?= $(ARTIFACTS)/export/$(NAME)
# Questions for `make cloze` (JSON lines, or `sample`), and flags of the probes that mark models, for example
# ASK="--items 1000 --beside other/model".
CLOZE ?=
ASK ?=
# What `make leaks` looks for: flags of probes.leaks, for example LEAKS="--canaries copy.canaries.jsonl --names names.txt".
LEAKS ?=
# Flags of finetune.train, finetune.predict or finetune.embed, for example TUNE="--peer-protocol".
TUNE ?=
OUT ?= $(ARTIFACTS)/finetune/$(NAME)

BIN := $(VENV)/bin
PY := $(BIN)/python
INSTALLED := $(VENV)/.installed
INSTALLED_DEV := $(VENV)/.installed-dev
# transformers 4.57 beside the pinned one: the exported folders have to load in both.
COMPAT := .compat/.installed

KERNELS := pretrain/__pycache__/.kernels

FLAGS = --recipe $(RECIPE) --name $(NAME) --artifacts $(ARTIFACTS) $(if $(SET),--set $(SET))
RECIPE_FILE := $(wildcard $(RECIPE) pipeline/recipes/$(RECIPE).toml)
# The model that a run begins from, where SET or the recipe names one: the run is asked again when it changed.
START := $(or $(patsubst train.init_from=%,%,$(filter train.init_from=%,$(SET))),$(if $(RECIPE_FILE),$(shell sed -n 's/^init_from *= *"\(.*\)".*/\1/p' $(RECIPE_FILE) 2>/dev/null)))
START_FILES := $(if $(START),$(wildcard $(addprefix $(START)/,config.json tokenizer.json vocab.txt *.safetensors)))
CORPUS_FILES := $(wildcard $(shell find $(CORPUS) 2>/dev/null))
# Files that came, went or were put in another's place, which their times alone do not show.
CORPUS_STATE := $(shell find $(CORPUS) -type f -exec ls -lin {} + 2>/dev/null | cksum)
# `accelerate launch` and its flags; one process needs none. Asked to leave, processes have these seconds to save in.
export TORCH_ELASTIC_SHUTDOWN_TIMEOUT ?= 120
CONFIG = $(or $(wildcard pretrain/launch/$(LAUNCH).yaml),$(error LAUNCH=$(LAUNCH): it is ddp, fsdp or deepspeed))
ADDRESS = $(subst :, ,$(or $(MAIN),$(error NODES=$(NODES) needs MAIN=host:port of the first machine)))
LAUNCHER = $(BIN)/accelerate launch $(if $(filter ddp,$(LAUNCH)),--multi_gpu,--config_file $(CONFIG)) --num_machines $(NODES) \
	--num_processes $(shell expr $(GPUS) '*' $(NODES)) --mixed_precision no --dynamo_backend no $(if $(filter-out 1,$(NODES)), \
	--machine_rank $(NODE) --main_process_ip $(firstword $(ADDRESS)) --main_process_port $(or $(word 2,$(ADDRESS)),29500))
TRAINER = $(if $(filter-out 1-1-ddp,$(GPUS)-$(NODES)-$(LAUNCH)),$(LAUNCHER),$(PY))
# accelerate's own word on it would be a traceback.
FIND_DEEPSPEED = import importlib.util, sys; importlib.util.find_spec("deepspeed") or sys.exit( \
	"error: LAUNCH=deepspeed needs DeepSpeed: $(PY) -m pip install --constraint constraints.txt --editable .[deepspeed]")
ASKED := $(ARTIFACTS)/.asked/$(NAME)
ASKED_TEXT := $(ASKED).text
CODE = $(wildcard $(foreach room,$(1),$(room)/*.py $(room)/*/*.py))

CORPUS_DONE := $(ARTIFACTS)/corpus/$(NAME)/manifest.json
TOKENIZER_DONE := $(ARTIFACTS)/tokenizer/$(NAME)/manifest.json
EXAMPLES_DONE := $(ARTIFACTS)/examples/$(NAME)/manifest.json
PRETRAIN_DONE := $(ARTIFACTS)/pretrain/$(NAME)/manifest.json
EXPORT_DONE := $(ARTIFACTS)/export/$(NAME)/manifest.json
ANSWER := $(ARTIFACTS)/probe/$(NAME)/answer.txt
# probe, finetune and embed take a model that is there as it is, and make the one of NAME if it is not.
MODEL_DONE := $(if $(wildcard $(MODEL)/config.json),,$(if $(filter $(ARTIFACTS)/export/$(NAME),$(MODEL)),$(EXPORT_DONE)))
# Held-out text to ask about is that of NAME's corpus, taken as it is and made if it is not there, or what ASK names.
HELD_OUT_DONE := $(if $(findstring --text,$(ASK))$(findstring --corpus,$(ASK))$(findstring --first,$(ASK))$(wildcard $(CORPUS_DONE)),,$(CORPUS_DONE))

# What finetune, features and search learn from, as far as it is given; TASK is a kind of task or a known data set.
LEARNED_FROM = $(addprefix --task ,$(call given,TASK)) $(addprefix --train ,$(call given,TRAIN)) $(addprefix --dev ,$(call given,DEV)) \
	$(addprefix --test ,$(call given,TEST)) $(if $(call given,COLUMN),--text "$(COLUMN)") \
	$(if $(call given,PAIR),--pair "$$HANBEOT_PAIR") $(if $(call given,LABEL),--label "$(LABEL)")

# The environment carries what may hold quotes and spaces.
export HANBEOT_RECIPE = $(RECIPE)
export HANBEOT_CORPUS = $(CORPUS)
export HANBEOT_SET = $(SET)
export HANBEOT_FILES = $(CORPUS_STATE)
export HANBEOT_TEXT = $(TEXT)
export HANBEOT_TEXTS = $(call given,FILE)
export HANBEOT_PAIR = $(call given,PAIR)

# On a CPU, threads that spin while they wait take the cores from those that work: passive waiting trained the sample
# 2.3 times as fast on two cores, and twice as fast beside another busy process (docs/LOG.md).
OMP_WAIT_POLICY ?= passive
export OMP_WAIT_POLICY

.PHONY: help setup corpus tokenizer examples plan pretrain export probe josa cloze nextsentence leaks report demo finetune features search ladder predict embed check test FORCE
.DEFAULT_GOAL := help

help: ## list the targets and variables
	@awk -F':.*## ' '/^[a-z]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo "  RECIPE=$(RECIPE) CORPUS=$(CORPUS) NAME=$(NAME) SET=\"section.key=value ...\" GPUS=$(GPUS) TEXT=\"...\" MODEL=$(MODEL)"
	@echo "  recipes: $(sort $(basename $(notdir $(wildcard pipeline/recipes/*.toml))))"

setup: $(INSTALLED) ## make .venv and install Hanbeot with pinned versions

corpus: $(CORPUS_DONE) ## clean CORPUS into documents of sentences

tokenizer: $(TOKENIZER_DONE) ## learn a vocabulary from the corpus

examples: $(EXAMPLES_DONE) ## tokenise the corpus and plan next-sentence pairs

# The first machine alone writes a run, and goes on to what comes after it.
pretrain: $(if $(filter 0,$(NODE)),$(ANSWER),$(PRETRAIN_DONE)) ## train, export and probe; goes on where it was interrupted
ifeq ($(NODE),0)
	@echo "pretrain: $(ARTIFACTS)/export/$(NAME) is ready (RECIPE=$(RECIPE) CORPUS=$(CORPUS)$(if $(SET), SET='$(SET)'))"
	@cat $(ANSWER)
endif

export: $(EXPORT_DONE) ## write the trained model as a Hugging Face folder

plan: $(INSTALLED) ## tell what a run would cost: parameters, memory, disk, time
	@$(PY) -m pretrain.budget $(FLAGS) --gpus $(GPUS)

probe: $(INSTALLED) $(MODEL_DONE) ## fill the [MASK] or [GAP] of TEXT (or of each line of FILE) with MODEL, beside COMPARE
	@$(PY) -m probes.ask $(FLAGS) --model $(MODEL) $(addprefix --compare ,$(call given,COMPARE)) \
		$(if $(call given,FILE),--file "$$HANBEOT_TEXTS",--text "$$HANBEOT_TEXT")

josa: $(INSTALLED) $(MODEL_DONE) $(HELD_OUT_DONE) ## judge minimal pairs of held-out sentences with MODEL: 학교는 or 학교은
	$(PY) -m probes.josa $(FLAGS) --model $(MODEL) $(ASK)

cloze: $(INSTALLED) $(MODEL_DONE) $(if $(CLOZE),,$(HELD_OUT_DONE)) ## ask MODEL for the words missing in CLOZE (sample: facts), or in held-out text
	$(PY) -m probes.cloze $(FLAGS) --model $(MODEL) $(if $(CLOZE),--cloze $(CLOZE)) $(ASK)

nextsentence: $(INSTALLED) $(MODEL_DONE) $(HELD_OUT_DONE) ## ask MODEL which held-out sentence follows which
	$(PY) -m probes.next_sentence $(FLAGS) --model $(MODEL) $(ASK)

leaks: $(INSTALLED) $(if $(findstring --plant,$(LEAKS)),,$(MODEL_DONE)) ## look for secrets that MODEL gives away: planted ones, LEAKS="--canaries ..."
	$(PY) -m probes.leaks $(FLAGS) $(if $(findstring --plant,$(LEAKS)),,--model $(MODEL)) $(LEAKS)

demo: $(INSTALLED) $(MODEL_DONE) ## serve a page on this machine that asks MODEL, beside COMPARE (PORT=0: any free port)
	@$(PY) -m pages.demo $(FLAGS) --model $(MODEL) $(addprefix --compare ,$(call given,COMPARE)) $(addprefix --port ,$(call given,PORT))

# A column that is not named is the task's own. LAUNCH, GPUS and NODES start several processes, as for pretrain.
finetune: $(INSTALLED) $(MODEL_DONE) ## fine-tune MODEL for TASK: TRAIN, DEV, TEST, COLUMN, PAIR and LABEL (columns), OUT, TUNE (flags)
	$(TRAINER) -m finetune.train $(FLAGS) --model $(MODEL) --out $(OUT) $(LEARNED_FROM) $(TUNE)

# MODEL is what finetune made under NAME, unless another is given.
predict: $(INSTALLED) ## answer TEXT (and PAIR), or the rows of FILE into OUT, with a fine-tuned MODEL
	@$(PY) -m finetune.predict $(FLAGS) $(addprefix --model ,$(call given,MODEL)) $(addprefix --out ,$(call given,OUT)) \
		$(if $(call given,TEXT),--text "$$HANBEOT_TEXT") $(if $(call given,PAIR),--pair "$$HANBEOT_PAIR") \
		$(if $(call given,FILE),--file "$$HANBEOT_TEXTS") $(TUNE)

embed: $(INSTALLED) $(MODEL_DONE) ## write the vectors that MODEL makes of the texts of FILE into OUT (.npy)
	@$(PY) -m finetune.embed $(FLAGS) --model $(MODEL) $(if $(call given,FILE),--file "$$HANBEOT_TEXTS") $(addprefix --out ,$(call given,OUT)) $(TUNE)

features: $(INSTALLED) $(if $(call given,BASELINE),,$(MODEL_DONE)) ## train a HEAD on MODEL's vectors as they are (POOL), or on words: BASELINE=tfidf
	$(PY) -m finetune.features $(FLAGS) $(if $(call given,BASELINE),--baseline $(BASELINE),--model $(MODEL)) $(LEARNED_FROM) \
		$(addprefix --pool ,$(call given,POOL)) $(addprefix --head ,$(call given,HEAD)) $(addprefix --out ,$(call given,OUT))

search: $(INSTALLED) $(MODEL_DONE) ## choose settings of a fine-tuning on dev: GRID="finetune.epochs=2,4 ..."
	@$(PY) -m finetune.search $(FLAGS) --model $(MODEL) $(LEARNED_FROM) --grid $(or $(call given,GRID),$(error GRID="finetune.key=value,value ..." says what to try))

ladder: $(INSTALLED) ## several models on several tasks as one table: PLAN=file.toml, or MODELS="..." TASKS="nsmc=train.tsv,test.tsv ..."
	@$(PY) -m finetune.ladder $(FLAGS) $(addprefix --plan ,$(call given,PLAN)) \
		$(if $(call given,MODELS),--models $(MODELS)) $(if $(call given,TASKS),--tasks $(TASKS))

report: $(INSTALLED) ## write one page about the run NAME, compared with RUNS if named
	@$(PY) -m pages.report --recipe $(RECIPE) --name $(NAME) --artifacts $(ARTIFACTS) $(if $(call given,RUNS),--runs $(RUNS))

check: $(INSTALLED_DEV) $(KERNELS) ## format, lint, types and quick tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pytest -n auto --dist worksteal -m "not slow"

test: $(INSTALLED_DEV) $(COMPAT) $(KERNELS) ## everything: format, lint, types and all tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pytest -n auto --dist worksteal

$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Hanbeot needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Name another one: make setup PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable .
	@touch $@

$(INSTALLED_DEV): $(INSTALLED)
	$(PY) -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

$(COMPAT): $(INSTALLED) tests/compat/requirements.txt
	$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --upgrade --target $(@D) --requirement tests/compat/requirements.txt
	@touch $@

# Compiled functions are kept with the file they stand in; that they took in those of draws.py is not noticed by numba.
$(KERNELS): pretrain/draws.py
	@mkdir -p $(@D) && rm -f $(@D)/*.nbi $(@D)/*.nbc && touch $@

# Rewritten only when what was asked for differs from the last time under this NAME.
remember = mkdir -p $(@D) && cat > $@.new && if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi
$(ASKED): FORCE
	@printf 'RECIPE=%s\nCORPUS=%s\nSET=%s\nFILES=%s\n' \
		"$$HANBEOT_RECIPE" "$$HANBEOT_CORPUS" "$$HANBEOT_SET" "$$HANBEOT_FILES" | { $(remember); }
	@test -e $(ARTIFACTS)/pretrain/$(NAME)/run.json || cp $@ $@.last
$(ASKED_TEXT): FORCE
	@printf '%s\n' "$$HANBEOT_TEXT" | { $(remember); }

$(CORPUS_DONE): $(INSTALLED) $(ASKED) $(RECIPE_FILE) $(CORPUS_FILES) $(call CODE,pipeline corpora)
	$(PY) -m corpora.build $(FLAGS) --corpus $(CORPUS) $(WORK)
	@touch -c $@

$(TOKENIZER_DONE): $(CORPUS_DONE) $(call CODE,tokenizer)
	$(PY) -m tokenizer.train $(FLAGS) $(WORK)
	@touch -c $@

$(EXAMPLES_DONE): $(TOKENIZER_DONE) $(call CODE,pretrain) | $(KERNELS)
	$(PY) -m pretrain.examples $(FLAGS) $(WORK)
	@touch -c $@

$(PRETRAIN_DONE): $(EXAMPLES_DONE) $(START_FILES) | $(KERNELS)
	$(if $(filter deepspeed,$(LAUNCH)),@$(PY) -c '$(FIND_DEEPSPEED)')
	$(TRAINER) -m pretrain.train $(FLAGS) $(RUN)
	@touch -c $@

# Flags given are asked about each time: the stage knows whether what stands is what they ask for.
$(EXPORT_DONE): $(PRETRAIN_DONE) $(if $(EXPORT),FORCE)
	$(PY) -m pretrain.export $(FLAGS) $(EXPORT)
	@touch -c $@

$(ANSWER): $(EXPORT_DONE) $(ASKED_TEXT)
	@mkdir -p $(@D)
	@$(PY) -m probes.ask $(FLAGS) --model $(ARTIFACTS)/export/$(NAME) --text "$$HANBEOT_TEXT" --out $(@D) > $@.part
	@mv $@.part $@
