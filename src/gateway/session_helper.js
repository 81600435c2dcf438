(()=>{
let d=document,me=d.currentScript,warn=(me.dataset.warn||120)*1e3,ends=0,hard,bar,told,timer,
say=(en,de)=>/^de/.test(d.documentElement.lang||navigator.language)?de:en,
at=p=>new URL(p,me.src),
get=q=>fetch(at("userinfo"+q)),
emit=state=>dispatchEvent(new CustomEvent("sidegate:session",{cancelable:true,detail:{state,endsAt:new Date(ends),renewable:!hard,renew}})),
hide=()=>bar&&bar.remove(),
show=(text,label,act)=>{
hide();bar=d.createElement("div");
let s=bar.attachShadow({mode:"open"}),c=new CSSStyleSheet,[p,w,b]=["p","span","button"].map(n=>d.createElement(n));
c.replaceSync(":host{all:initial;position:fixed;inset:auto 1rem 1rem;z-index:9999}p{font:1rem system-ui;color:#fff;background:#17212b;border:1px solid #76828e;max-width:30rem;margin:auto;padding:1em;display:flex;flex-wrap:wrap;gap:.6rem;align-items:center}span{flex:1}button{font:inherit;padding:.5rem}");
s.adoptedStyleSheets=[c];
p.setAttribute("role","status");
d.body.append(bar);s.append(p);p.append(w,b);
w.textContent=text;b.textContent=label;b.onclick=act},
login=()=>location=at("start?rd="+encodeURIComponent(location.pathname+location.search)),
renew=()=>get("").then(r=>look(r.ok),look),
look=async renewed=>{
try{
let r=await get("?look=1"),j=r.ok&&await r.json();
if(j){ends=Date.now()+j.expires_in*1e3;hard=j.session.expires_at<=j.session.idle_expires_at}
else if(ends&&r.status==401)ends=1
}catch{}
clearTimeout(timer);
let left=ends-Date.now(),wait=15e3;
if(left>warn){hide();told=0;wait=Math.min(left-warn,6e4);renewed===true&&emit("renewed")}
else if(ends&&left<=0){
if(told!=2&&(told=2,emit("ended")))show(say("Your session has ended.","Ihre Sitzung ist beendet."),say("Sign in","Anmelden"),login)
}else if(ends){
wait=Math.min(left+300,wait);
if(!told&&(told=1,emit("expiring")))show(say("Your session ends soon.","Ihre Sitzung endet bald."),hard?say("Sign in again","Neu anmelden"):say("Stay signed in","Angemeldet bleiben"),hard?login:renew)
}
timer=setTimeout(look,wait)};
d.addEventListener("visibilitychange",()=>d.hidden||look());
look()
})()
