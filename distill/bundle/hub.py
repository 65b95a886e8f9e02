"""Give a folder to the Hugging Face hub as a data set, by their own library, where that and credentials are at hand."""

from pathlib import Path
from types import ModuleType

from kerneldistill.errors import UserError


def opened_hub() -> ModuleType:
    """Return `huggingface_hub`, with credentials there.

    Raises:
      UserError: it is not installed, or nobody is logged in.
    """
    try:
        import huggingface_hub  # pyright: ignore[reportMissingImports]  # an extra
    except ImportError as error:
        raise UserError(
            "kdistill push needs huggingface_hub, which is not installed: pip install 'kerneldistill[hub]'"
        ) from error
    if huggingface_hub.get_token() is None:
        raise UserError(
            "kdistill push finds no credentials of the Hugging Face hub: log in with hf auth login, or set HF_TOKEN"
        )
    return huggingface_hub


def upload(folder: Path, repo: str, private: bool) -> str:
    """Put the files of a folder into a data set of the hub, made if it is not there; return its address.

    Raises:
      UserError: the hub cannot be reached, or refuses.
    """
    api = opened_hub().HfApi()
    try:
        address = api.create_repo(repo, repo_type="dataset", private=private, exist_ok=True)
        api.upload_folder(
            repo_id=address.repo_id,
            repo_type="dataset",
            folder_path=folder,
            commit_message="Add a set distilled with kerneldistill",
        )
    except Exception as error:  # of many classes, of their library and of those below it
        why = " ".join(str(error).split())[:110] or type(error).__name__
        raise UserError(
            f"NAME/REPO is {repo}, which cannot be written ({why}): check it, and that your token may write"
        ) from error
    return str(address)
