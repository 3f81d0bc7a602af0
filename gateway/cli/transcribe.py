"""``allears transcribe``: recordings → text, JSON or subtitles."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gateway.cli import options, shelf
from gateway.cli.progress import Bar
from gateway.operations import OperationError
from transcription import model_folder, subtitles
from transcription.base import ModelError, SpeechError, Transcript
from transcription.job import Job
from transcription.numbers import with_digits
from transcription.pool import Pool

FORMS: dict[str, Callable[[Transcript], str]] = {"srt": subtitles.srt, "vtt": subtitles.vtt, "txt": subtitles.txt}


def add(subparsers: Any) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "transcribe",
        help="turn recordings into text",
        description="Turn recordings into text on this machine. Stereo is taken for a call with the customer on the first "
        "channel. Spoken numbers become digits, words that were not heard well are marked with `…`.",
    )
    parser.add_argument("files", metavar="FILE", nargs="+", type=_path, help="recordings: wav, mp3, m4a, ogg, amr, …")
    parser.add_argument("--model", help="a model's name or folder (default: the ones in use)")
    parser.add_argument("--language", default="", help="zh, en, … (default: found out by trying)")
    parser.add_argument("--spoken", action="store_true", help="leave numbers as the words they were said in")
    form = parser.add_mutually_exclusive_group()
    options.as_json(form)
    for name in FORMS:
        form.add_argument(f"--{name}", action="store_const", const=name, dest="form", help=f"print {name}")
    shelf.add(parser)
    parser.set_defaults(func=run, form="txt")


def _path(name: str) -> Path:
    return Path(name).absolute()


def run(args: argparse.Namespace) -> int:
    """Print the transcripts in the order of the files; 1 when one of them could not be heard."""
    try:
        return asyncio.run(_run(args, _models(args)))
    except ModelError as err:
        raise OperationError(str(err)) from err


def _models(args: argparse.Namespace) -> dict[str, Path]:
    folder = shelf.folder(args)
    if not args.model:
        used = model_folder.in_use(folder)
        if not used:
            raise ModelError(
                f"there is no speech model in {folder}; `allears models pull NAME` fetches one, `--model tiny` is for a look"
            )
        return used
    path = Path(args.model) if Path(args.model).is_dir() else model_folder.find(folder, args.model)
    languages = (args.language,) if args.language else model_folder.about(path).languages[:1]
    return dict.fromkeys(languages or ("",), path)


async def _run(args: argparse.Namespace, models: dict[str, Path]) -> int:
    pool = Pool(models)
    status = 0
    try:
        with Bar("heard") as bar:
            jobs = [asyncio.create_task(_one(pool, args, path, bar)) for path in args.files]
            for path, job in zip(args.files, jobs):
                try:
                    transcript = await job
                except ModelError:
                    raise
                except SpeechError as err:
                    print(f"{path}: {err}", file=sys.stderr)
                    status = 1
                else:
                    _print(args, path, transcript)
    finally:
        await pool.close()
    return status


async def _one(pool: Pool, args: argparse.Namespace, path: Path, bar: Bar) -> Transcript:
    job = Job(path=str(path), recording=path.name, languages=(args.language,) if args.language else ())
    heard = await pool.transcribe(job, tell=lambda seconds: bar.show(0, 0, f"{path.name}: {seconds:.0f} s"))
    return heard if args.spoken else with_digits(heard)


def _print(args: argparse.Namespace, path: Path, transcript: Transcript) -> None:
    if args.json:
        options.print_json(transcript)
        return
    if len(args.files) > 1:
        print(f"--- {path}")
    print(FORMS[args.form](transcript), end="")
    if transcript.missing:
        print(f"{path}: {transcript.missing}", file=sys.stderr)
